"""Clients that wait for each answer before they ask again, many in one thread."""

from __future__ import annotations

import selectors
import socket
import time

_END_OF_HEAD = b"\r\n\r\n"


class Client:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.wire = socket.create_connection(("127.0.0.1", port))
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._asked = 0.0

    def ask(self, request: bytes) -> None:
        self._received, self._asked = b"", time.perf_counter()
        self.wire.sendall(request)

    def receive(self) -> float | None:
        """Seconds from question to answer once that is whole. Raises RuntimeError for a fault."""
        data = self.wire.recv(262_144)
        self._received += data
        head, end, body = self._received.partition(_END_OF_HEAD)
        if not data or (end and not head.startswith(b"HTTP/1.1 200")):
            raise RuntimeError(self._received[:500])
        if not end or len(body) < int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]):
            return None
        return time.perf_counter() - self._asked


def drive(port: int, requests: list[bytes], count: int, clients: int) -> list[float]:
    """Ask `count` times in all; the seconds of each answer."""
    with selectors.DefaultSelector() as ready:
        everybody = [Client(port) for _ in range(clients)]
        seconds: list[float] = []
        asked = 0
        for client in everybody:
            ready.register(client.wire, selectors.EVENT_READ, client)
            client.ask(requests[asked % len(requests)])
            asked += 1
        while len(seconds) < count:
            for key, _ in ready.select():
                taken = key.data.receive()
                if taken is None:
                    continue
                seconds.append(taken)
                if asked < count:
                    key.data.ask(requests[asked % len(requests)])
                    asked += 1
        for client in everybody:
            client.wire.close()
        return seconds
