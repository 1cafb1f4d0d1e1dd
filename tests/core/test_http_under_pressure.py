"""The HTTP edge: replies that are awaited, clients that leave, and what is held at most."""

import asyncio
import socket
import threading
import time
from contextlib import suppress

import pytest
from collector_kit import ask, serving

from tidemill.http.edge import Limits
from tidemill.http.http1 import LARGE_BODY
from tidemill.http.messages import Reply


class Waiting:
    """Answers `/slow/<name>` once it is released, and everything else at once."""

    def __init__(self):
        self.began = []
        self.ended = []
        self.release = threading.Event()

    def answer(self, request):
        if request.path.startswith("/slow"):
            return self._slow(request)
        if request.path == "/broken":
            return self._broken()
        if request.path == "/echo":
            return Reply(200, request.headers.get("x-late", "").encode() + request.body)
        return Reply(200, f"{request.path}?{request.query}".encode())

    async def _slow(self, request):
        self.began.append(request.path)
        while not self.release.is_set():
            await asyncio.sleep(0.005)
        self.ended.append(request.path)
        return Reply(200, request.path.encode())

    async def _broken(self):
        raise OSError("out of order")

    def refuse(self, _path, status, message):
        return Reply(status, message.encode())


def raw(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def get(path, body=b""):
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def read_all(wire):
    said = b""
    while block := wire.recv(65_536):
        said += block
    return said


@pytest.fixture
def app():
    return Waiting()


@pytest.fixture
def server(app):
    """(port, edge) with room for four connections and 1 MB of bodies."""
    limits = Limits(body_bytes=800_000, held_bytes=1_000_000, connections=4)
    with serving(app, limits) as found:
        yield found
        app.release.set()


def test_an_awaited_reply_keeps_nobody_else_waiting(server, app):
    """Another connection is answered meanwhile; the query comes along."""
    with raw(server[0]) as wire:
        wire.sendall(get("/slow/1"))
        until(lambda: app.began)
        assert ask(server[0], "GET", "/fast?a=1").body == b"/fast?a=1"
        app.release.set()
        assert b"/slow/1" in wire.recv(65_536)


@pytest.mark.parametrize("body", [b"", b"x" * (LARGE_BODY + 1)], ids=["small", "large"])
def test_pipelined_requests_are_answered_in_their_order(server, app, body):
    """One that could be answered at once waits for the one before it."""
    with raw(server[0]) as wire:
        wire.sendall(get("/slow/1", body) + get("/fast") + get("/slow/2"))
        until(lambda: app.began)
        app.release.set()
        said = b""
        while said.count(b"HTTP/1.1 200") < 3 or not said.endswith(b"/slow/2"):
            said += wire.recv(65_536)
    assert said.index(b"\r\n\r\n/slow/1") < said.index(b"/fast?") < said.index(b"\r\n\r\n/slow/2")
    assert app.began == ["/slow/1", "/slow/2"]


def test_work_goes_on_when_the_client_has_left(server, app):
    """What was begun is brought to its end, and its body is let go."""
    with raw(server[0]) as wire:
        wire.sendall(get("/slow/1", b"x" * 1_000))
        until(lambda: app.began)
    assert server[1].in_flight == 1
    app.release.set()
    until(lambda: app.ended == ["/slow/1"])
    until(lambda: server[1].in_flight == 0 and server[1].bodies.held == 0)


def test_an_awaited_reply_that_fails_is_a_500_and_the_connection_goes_on(server):
    """An app should not raise; if it does, nobody hangs."""
    with raw(server[0]) as wire:
        wire.sendall(get("/broken"))
        assert wire.recv(65_536).startswith(b"HTTP/1.1 500")
        wire.sendall(get("/fast"))
        assert wire.recv(65_536).startswith(b"HTTP/1.1 200")


def test_one_connection_too_many_is_told_so_and_closed(server):
    """The others go on; when one of them ends there is room again."""
    wires = [raw(server[0]) for _ in range(4)]
    until(lambda: len(server[1].connections) == 4)
    with raw(server[0]) as extra:
        said = read_all(extra)
    assert said.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1\r\n" in said
    wires[0].sendall(get("/fast"))
    assert wires[0].recv(65_536).startswith(b"HTTP/1.1 200")
    wires.pop().close()
    until(lambda: len(server[1].connections) == 3)
    assert ask(server[0], "GET", "/fast").status == 200
    for wire in wires:
        wire.close()


def test_bodies_over_the_budget_are_put_off(server, app):
    """503 and a time to come back, until those that are held are answered."""
    body = b"x" * 600_000
    with raw(server[0]) as wire:
        wire.sendall(get("/slow/1", body))
        until(lambda: app.began)
        refused = ask(server[0], "POST", "/fast", body)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        app.release.set()
        wire.recv(65_536)
    until(lambda: server[1].bodies.held == 0)
    assert ask(server[0], "POST", "/fast", body).status == 200


def test_half_a_body_is_let_go_with_its_connection(server):
    """Clients that begin and leave cannot fill the budget."""
    for _ in range(3):
        with raw(server[0]) as wire:
            wire.sendall(get("/fast", b"x" * 700_000)[:600_000])
            until(lambda: server[1].bodies.held > 500_000)
        until(lambda: server[1].bodies.held == 0)


def test_pipelined_bodies_are_let_go_when_the_client_leaves(server, app):
    """Those that waited for their turn are not worked on."""
    with raw(server[0]) as wire:
        wire.sendall(get("/slow/1", b"x" * 10) + get("/slow/2", b"x" * 10))
        until(lambda: app.began)
    app.release.set()
    until(lambda: server[1].in_flight == 0)
    until(lambda: server[1].bodies.held == 0)


CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"


@pytest.mark.parametrize("end", [b"\r\nx: ", b""], ids=["many", "one"])
def test_headers_behind_a_body_are_bounded(server, end):
    """A client cannot fill the memory with what nobody reads."""
    with raw(server[0]) as wire:
        wire.sendall(CHUNKED + b"x: ")
        wire.settimeout(0.05)
        said = b""
        for _ in range(40):
            with suppress(TimeoutError):
                wire.sendall(b"v" * 16_384 + end)
                said = said or wire.recv(65_536)
    assert said.startswith(b"HTTP/1.1 431")


def test_headers_behind_a_body_are_not_taken_for_the_requests(server):
    """A proxy in front has not looked at them."""
    with raw(server[0]) as wire:
        wire.sendall(CHUNKED + b"X-Late: no\r\n\r\n")
        assert wire.recv(65_536).endswith(b"\r\n\r\nhi")


@pytest.mark.parametrize("body", [b"x" * 10, b"x" * (LARGE_BODY + 1)], ids=["small", "large"])
def test_a_body_that_comes_with_an_offer_of_another_protocol_is_read(server, body):
    """curl --http2 and Java's client offer h2c with every post, and go on when nobody takes it."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    head, _, rest = get("/echo", body).partition(b"\r\n")
    with raw(server[0]) as wire:
        for _ in range(2):
            wire.sendall(head + b"\r\n" + offer + rest)
            said = b""
            while not said.endswith(b"\r\n\r\n" + body):
                said += wire.recv(65_536)
