"""A receiver's URL is a secret, and whatever is wrong with it spoils no verdict."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

sys.path.append(str(Path(__file__).parent))  # for the receiver, which is no fixture of others
from hooks import Hook, serving

from tidemill.errors import TidemillError
from tidemill_monitoring.cli import monitor
from tidemill_monitoring.notifications.posting import check_url, post

WATCHED = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: orders}
spec:
  propensity: {event: order, within: 7d}
  monitoring: {notify: [{url_from: {env: PAGER_URL}}]}
"""


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com/hook", "file:///etc/passwd", "ftp://example.com/x", "https://"),
        *("https://user:password@example.com/x", "https://example.com:0/", "https://[::1/x"),
        *("https://example.com/a b", "https://example.com/a\nHost: b", "javascript:alert(1)"),
    ],
)
def test_what_is_no_webhook_is_refused_without_being_shown(url: str) -> None:
    """Only http and https, with a host, and without a password that logs would keep."""
    with pytest.raises(TidemillError, match="what PAGER_URL holds") as caught:
        check_url(url, "PAGER_URL")
    shown = f"{caught.value.message} {caught.value.hint}"
    assert len(url) < 10 or url not in shown


@pytest.mark.parametrize("url", ["https://hooks.example.com/a/b?c=d", "http://127.0.0.1:80/x"])
def test_a_webhook_is_taken_as_it_is(url: str) -> None:
    """Path and query are the secret."""
    assert check_url(url, "PAGER_URL") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/SECRET",
        "http://host-SECRET.invalid/SECRET",
        "http://127.0.0.1:99999/SECRET",
        "http://127.0.0.1:9/SECRET path",
        "http://" + "a" * 70 + ".example/SECRET",
    ],
)
def test_a_failure_says_nothing_of_the_url(url: str) -> None:
    """The libraries' own messages hold hosts and paths."""
    failure = post(url, "1", {}, 1.0)
    assert failure is not None
    assert "SECRET" not in failure.words


def test_certificates_are_verified(tmp_path: Path) -> None:
    """A certificate that nobody vouches for gets no notice."""
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.path)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.handle_request, daemon=True)
    thread.start()
    failure = post(f"https://127.0.0.1:{server.server_port}/x", "1", {}, 5.0)
    thread.join(5)
    server.server_close()
    assert failure is not None
    assert failure.words == "has a certificate that is not trusted"
    assert got == []


def self_signed(folder: Path) -> Path:
    """A key and a certificate for it in one file."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "server.pem"
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def run_monitor(
    open_shop: Callable, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """`run_monitor(PAGER_URL=...)`: exit code, stdout and stderr over a shop with an alarm."""
    home = open_shop(renamed={"search": "Search"}, users=250).home
    (home.objectives / "orders.yaml").write_text(WATCHED)
    monkeypatch.setenv("TIDEMILL_HOME", str(home.root))
    app = typer.Typer()
    app.command()(monitor)

    def run(**environment: str) -> tuple[int, str, str]:
        arguments = ["orders", "--at", "2024-04-30", "--json"]
        result = CliRunner().invoke(app, arguments, env=environment)
        return result.exit_code, result.stdout, result.stderr

    return run


def test_the_verdict_is_the_same_with_and_without_a_receiver(
    run_monitor: Callable[..., tuple[int, str, str]],
) -> None:
    """Exit code 3 and the whole JSON; what went wrong is one line on stderr."""
    code, out, err = run_monitor(PAGER_URL="file:///SECRET")
    assert code == 3
    assert json.loads(out)["status"] == "act"
    assert "the json receiver of PAGER_URL is not told" in err
    assert "SECRET" not in out + err
    code, again, err = run_monitor(TIDEMILL_NOTIFY="nonsense")
    assert (code, json.loads(again)) == (3, json.loads(out))
    assert "TIDEMILL_NOTIFY does not hold receivers" in err


def test_the_monitor_tells_whom_the_operator_names(
    run_monitor: Callable[..., tuple[int, str, str]],
) -> None:
    """The objective in the home may be older than the one on the cluster."""
    with serving(Hook()) as hook:
        receivers = json.dumps([{"format": "json", "url_from": {"env": "OTHER_URL"}}])
        code, _, err = run_monitor(TIDEMILL_NOTIFY=receivers, OTHER_URL=hook.url)
        assert code == 3
        assert "told the json receiver of OTHER_URL what changed" in err
        (body,) = hook.taken
    assert "search" in body["changes"][0]["sentence"]
