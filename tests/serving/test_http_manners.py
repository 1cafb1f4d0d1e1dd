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
