"""One HTTP request, and what became of it in words that never hold the URL."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

from tidemill import __version__
from tidemill.errors import TidemillError

_TO_REPEAT = (408, 425, 429)
"""Refusals that say: later."""


@dataclass(frozen=True)
class Failure:
    """A notice that was not taken."""

    words: str
    is_final: bool = False
    """Trying again at once would end the same."""
    wait_seconds: float = 0.0
    """What the receiver asked for."""


def check_url(url: str, source: str) -> str:
    """The URL, if it can be posted to. Raises TidemillError, which names `source` alone."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        usable = usable and parts.username is None and url.isprintable() and " " not in url
    except ValueError:
        usable = False
    if not usable:
        raise TidemillError(
            f"what {source} holds is not a webhook's URL",
            hint="it begins with https:// (or http://), has a host, and no user name or password",
        )
    return url


def post(url: str, identity: str, body: Mapping[str, Any], timeout: float) -> Failure | None:
    """Send a notice; None when it was taken. `timeout` in seconds, for each wait on the network.

    Certificates are verified, and a redirect is a failure: a notice goes where it was meant to.
    """
    request = urllib.request.Request(  # noqa: S310  # check_url let http and https through alone
        url,
        data=json.dumps(body, ensure_ascii=False).encode(),
        method="POST",
        headers={
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": f"tidemill/{__version__}",
            "Idempotency-Key": identity,
        },
    )
    opener = urllib.request.build_opener(
        _NoRedirects, urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    try:
        with opener.open(request, timeout=timeout):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return _refused(error)
    except urllib.error.URLError as error:
        return _unreachable(error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _unreachable(error)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,  # noqa: ARG002 - the signature is the library's
        fp: IO[bytes],  # noqa: ARG002 - the same
        code: int,  # noqa: ARG002 - the same
        msg: str,  # noqa: ARG002 - the same
        headers: Message,  # noqa: ARG002 - the same
        newurl: str,  # noqa: ARG002 - the same
    ) -> None:
        return None


def _refused(error: urllib.error.HTTPError) -> Failure:
    is_final = 300 <= error.code < 500 and error.code not in _TO_REPEAT
    asked = error.headers.get("Retry-After", "")
    return Failure(f"answered {error.code}", is_final, float(asked) if asked.isdecimal() else 0.0)


def _unreachable(reason: object) -> Failure:
    """The library's own words may hold the host, and with it a part of the secret."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Failure("has a certificate that is not trusted", is_final=True)
    if isinstance(reason, TimeoutError):
        return Failure("did not answer in time")
    if isinstance(reason, socket.gaierror):
        return Failure("has a host name that is not known")
    if isinstance(reason, ConnectionRefusedError):
        return Failure("refused the connection")
    return Failure(f"could not be reached ({type(reason).__name__})")
