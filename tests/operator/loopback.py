"""What the stand-ins share: an HTTP server on a free port of the loopback interface."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Loopback:
    """`with` it, and `handler` answers at `url`; the handler finds this object as its `stub`."""

    def listen(self, handler: type[BaseHTTPRequestHandler]) -> None:
        """Take a port; answers begin with the `with` block."""
        bound: Any = type("Handler", (handler,), {"stub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), bound)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        serve = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        serve.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
