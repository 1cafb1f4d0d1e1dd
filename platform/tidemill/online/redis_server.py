"""How a Redis is reached, what its keys are called, and what its faults are in words.

Keys:

    tidemill:layout:<view>               name of the live layout, a hash of its features
    tidemill:features:<view>             the live layout itself, a JSON list
    tidemill:generation:<view>           counts batches
    tidemill:updates:<view>              counts updates between them
    tidemill:row:<view>:<layout>:<id>    cutoff, then the vector
    tidemill:writer:<view>               token of the process that is writing
    tidemill:unswept:<view>              set while rows of other layouts may be left
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import orjson
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tidemill.errors import OnlineStoreError

PASSWORD_VARIABLE = "TIDEMILL_ONLINE_STORE_PASSWORD"  # noqa: S105  # a name, not a password
_FORM = "write it like redis://host:6379/0, or rediss:// for TLS"
_PAGE = 1_000
_GLOB_SPECIALS = re.compile(r"([*?\[\]\\])")


class Keys:
    """Key names of one view."""

    def __init__(self, view: str) -> None:
        self.layout = f"tidemill:layout:{view}"
        self.features = f"tidemill:features:{view}"
        self.generation = f"tidemill:generation:{view}"
        self.updates = f"tidemill:updates:{view}"
        self.writer = f"tidemill:writer:{view}"
        self.unswept = f"tidemill:unswept:{view}"
        self._rows = f"tidemill:row:{view}:"

    def rows(self, layout: bytes) -> str:
        """What every row of `layout` begins with."""
        return f"{self._rows}{layout.decode()}:"

    @property
    def any_row(self) -> str:
        """Pattern of the rows of all layouts."""
        return pattern(self._rows)


def pattern(prefix: str) -> str:
    """Redis glob of everything that begins with `prefix`."""
    return _GLOB_SPECIALS.sub(r"\\\1", prefix) + "*"


def layout_name(features: Sequence[str]) -> bytes:
    """Short stable name of a vector layout."""
    return sha256(orjson.dumps(list(features))).hexdigest()[:12].encode()


def connect(address: str, seconds: float) -> redis.Redis:
    """A connection of its own, tried at once; `seconds` bounds each wait.

    Raises OnlineStoreError for a URL that cannot be used, redis.RedisError when nobody answers.
    """
    url = check_url(address)
    return redis.Redis(
        host=url.hostname or "",
        port=url.port or 6379,
        db=int(url.path.strip("/") or 0),
        username=unquote(url.username) if url.username else None,
        password=os.environ.get(PASSWORD_VARIABLE) or None,
        ssl=url.scheme == "rediss",
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        # A connection that was closed is opened again at once; a slow server is not asked twice.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        single_connection_client=True,
        protocol=2,
    )


def check_url(address: str) -> SplitResult:
    """The parts of a Redis URL. Raises OnlineStoreError, without repeating any secret."""
    url = urlsplit(address)
    if url.password is not None or "password" in url.query:
        raise OnlineStoreError(
            f"the online store's URL for '{url.hostname}' holds a password",
            hint=f"take it out of the URL and set {PASSWORD_VARIABLE}",
        )
    if not (_is_redis(url) and re.fullmatch(r"/?\d*", url.path)) or url.query or url.fragment:
        raise OnlineStoreError(f"'{address}' is not the URL of a Redis", hint=_FORM)
    return url


def _is_redis(url: SplitResult) -> bool:
    try:
        return url.scheme in ("redis", "rediss") and bool(url.hostname) and url.port != 0
    except ValueError:  # the port is no number
        return False


def in_words(address: str, error: redis.RedisError) -> OnlineStoreError:
    """The error a person or a caller is told."""
    url = urlsplit(address)
    server = f"the online store at {url.hostname}:{url.port or 6379}"
    if isinstance(error, redis.AuthenticationError | redis.exceptions.NoPermissionError):
        return OnlineStoreError(
            f"{server} refused the password: {error}", hint=f"set {PASSWORD_VARIABLE}"
        )
    if isinstance(error, redis.TimeoutError):
        return OnlineStoreError(f"{server} does not answer in time", hint="try again")
    if isinstance(error, redis.ConnectionError):
        return OnlineStoreError(
            f"{server} cannot be reached: {error}",
            hint="try again; is Redis running, and TIDEMILL_ONLINE_STORE right?",
        )
    return OnlineStoreError(f"{server} refused a command: {error}", hint="see Redis's own log")


def scan(ask: Callable[..., Any], match: str) -> Iterator[list[bytes]]:
    """Keys that fit `match`, page by page; a key may come twice. `ask` sends one command."""
    cursor = 0
    while True:
        cursor, keys = ask("SCAN", cursor, "MATCH", match, "COUNT", _PAGE)
        yield keys
        if not int(cursor):
            return
