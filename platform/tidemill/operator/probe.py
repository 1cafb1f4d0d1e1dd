"""The operator's HTTP page: /healthz for the kubelet, /metrics for Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tidemill.errors import OperatorError

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def serve_probe(
    host: str, port: int, is_alive: Callable[[], bool], metrics: Callable[[], bytes]
) -> ThreadingHTTPServer:
    """Answer in the background until `shutdown` of the returned server.

    Raises OperatorError when the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            if self.path == "/healthz":
                alive = is_alive()
                self._answer(200 if alive else 503, b"ok\n" if alive else b"workers are stuck\n")
            elif self.path == "/metrics":
                self._answer(200, metrics())
            else:
                self._answer(404, b"/healthz and /metrics are here\n")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", _TEXT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes come every few seconds; nobody reads a log of them."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise OperatorError(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another --port"
        ) from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="probe", daemon=True).start()
    return server
