"""Methods, paths, media types and sizes: refused politely, at no cost in memory."""

import json
import socket

import psutil
import pytest

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/other/ready", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("GET", "/v1/models/other", 404),
        ("POST", "/v1/models/other:predict", 404),
        ("GET", "/", 404),
        ("GET", "/v3/models", 404),
        ("GET", "/v2/models/coupon-redemption/load", 404),
        ("POST", "/v2/repository/models/coupon-redemption/unload", 404),
        ("GET", "/v2/models/coupon-redemption/infer", 405),
        ("DELETE", "/v2/models/coupon-redemption", 405),
        ("GET", "/v1/models/coupon-redemption:predict", 405),
        ("POST", "/v2/health/ready", 405),
        ("PUT", "/metrics", 405),
    ],
)
def test_unknown_paths_and_wrong_methods(server, kit, method, path, status):
    """404 or 405 as JSON; the connection goes on."""
    connection = server.connect()
    response = kit.exchange(connection, method, path, "{}" if method != "GET" else None)
    assert response.status == status
    assert response.json["error"]
    assert ("allow" in response.headers) == (status == 405)
    used = connection.sock
    assert kit.exchange(connection, "GET", "/v2/health/live").status == 200
    assert connection.sock is used


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": "application/octet-stream"},
        {"Content_Encoding": "gzip"},
    ],
)
@pytest.mark.parametrize("path", ["/v2/models/{}/infer", "/v1/models/{}:predict"])
def test_other_media_types_are_415(server, kit, headers, path):
    """curl's default form type too, with the header that would have worked."""
    body = json.dumps({**kit.users_request("u1"), "instances": ["u1"]})
    response = server.request("POST", path.format(kit.OBJECTIVE), body, **headers)
    assert response.status == 415
    assert "send" in response.json["error"]


def test_json_with_a_charset_is_json(server, kit):
    """Parameters of the media type do not matter."""
    response = server.request(
        "POST",
        f"/v2/models/{kit.OBJECTIVE}/infer",
        json.dumps(kit.users_request("u1")),
        Content_Type="Application/JSON; charset=utf-8",
    )
    assert response.status == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_fifty_megabytes_are_refused_without_keeping_them(server, kit, chunked):
    """413, the connection stays usable, and memory does not grow."""
    process = psutil.Process(server.process.pid)
    connection = server.connect()
    path = f"/v2/models/{kit.OBJECTIVE}/infer"
    before = process.memory_info().rss
    blocks = (b" " * MEGABYTE for _ in range(50))
    headers = {} if chunked else {"Content_Length": str(50 * MEGABYTE)}
    refused = kit.exchange(connection, "POST", path, blocks, **headers)
    assert refused.status == 413
    assert "body" in refused.json["error"]
    assert process.memory_info().rss - before < 12 * MEGABYTE
    used = connection.sock
    good = kit.exchange(connection, "POST", path, json.dumps(kit.users_request("u1")))
    assert good.status == 200
    assert connection.sock is used


def test_a_caller_that_asks_first_is_told_before_it_sends(server, kit):
    """With Expect: 100-continue nothing of an oversized body crosses the wire."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        head = (
            f"POST /v2/models/{kit.OBJECTIVE}/infer HTTP/1.1\r\nHost: x\r\n"
            "Content-Length: 52428800\r\nExpect: 100-continue\r\n\r\n"
        )
        wire.sendall(head.encode())
        assert wire.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_within_the_cap_is_read(server, kit):
    """No Content-Length is needed."""
    body = json.dumps(kit.users_request("u1")).encode()
    halves = iter([body[:20], body[20:]])
    response = server.request("POST", f"/v2/models/{kit.OBJECTIVE}/infer", halves)
    assert response.status == 200


def raw(server, sent: bytes) -> bytes:
    """What the server says to these bytes until it closes or falls silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=1) as wire:
        wire.sendall(sent)
        said = b""
        try:
            while block := wire.recv(65_536):
                said += block
        except TimeoutError:
            pass
        return said


def test_pipelined_requests_are_answered_in_order(server, kit):
    """A large request in front does not let a small one overtake it."""
    users = [f"u{number}" for number in range(kit.USERS)] * 20
    slow = json.dumps(kit.users_request(*users, id="first")).encode()
    fast = json.dumps(kit.users_request("u1", id="second")).encode()
    said = raw(
        server,
        b"".join(
            f"POST /v2/models/{kit.OBJECTIVE}/infer HTTP/1.1\r\nHost: x\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
            for body in (slow, fast)
        ),
    )
    assert len(slow) > 32 * 1024
    assert 0 < said.index(b'"id":"first"') < said.index(b'"id":"second"')


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 300_000, b"431"),
    ],
    ids=["no-http", "negative-length", "two-lengths", "endless-header"],
)
def test_what_is_not_http_is_refused_and_closed(server, sent, status):
    """Nobody can know where the next request would begin."""
    said = raw(server, sent)
    assert said.startswith(b"HTTP/1.1 " + status)
    assert b"connection: close" in said


def test_http_1_0_and_head_are_understood(server):
    """HTTP/1.0 is closed after the answer; HEAD has no body."""
    said = raw(server, b"GET /v2/health/live HTTP/1.0\r\n\r\n")
    assert b"connection: close" in said
    assert said.endswith(b'{"live":true}')
    assert raw(server, b"HEAD /v2 HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"\r\n\r\n")


def test_an_offered_upgrade_is_ignored(server, kit):
    """curl --http2 offers h2c and goes on with HTTP/1.1 when nobody takes it."""
    connection = server.connect()
    headers = {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2_Settings": "AAMAAABk",
    }
    assert kit.exchange(connection, "GET", "/v2/health/live", **headers).status == 200
    assert kit.exchange(connection, "GET", "/v2/health/live").status == 200
