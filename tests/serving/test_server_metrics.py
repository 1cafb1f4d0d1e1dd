"""What /metrics counts."""

import re

from tidemill_serving.metrics import Metrics


def value(server, name, **labels):
    """Current value of one sample, 0 when it does not exist yet."""
    pairs = ",".join(f'{key}="{text}"' for key, text in labels.items())
    page = server.get("/metrics").body.decode()
    found = re.search(rf"^{name}{{{pairs}}} (\S+)$", page, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def test_answers_and_errors_are_counted(server, kit):
    """By model, protocol and code."""
    labels = {"model": kit.OBJECTIVE, "protocol": "v2"}
    good = value(server, "tidemill_requests_total", **labels, code="200")
    bad = value(server, "tidemill_requests_total", **labels, code="400")
    server.infer(kit.users_request("u1"))
    server.infer({"inputs": []})
    assert value(server, "tidemill_requests_total", **labels, code="200") == good + 1
    assert value(server, "tidemill_requests_total", **labels, code="400") == bad + 1


def test_users_are_counted_by_cold_start(server, kit):
    """One known user, two strangers."""
    cold = {"model": kit.OBJECTIVE, "cold_start": "true"}
    warm = {"model": kit.OBJECTIVE, "cold_start": "false"}
    before = [value(server, "tidemill_predictions_total", **labels) for labels in (warm, cold)]
    server.infer(kit.users_request("u1", "nobody", "no one"))
    after = [value(server, "tidemill_predictions_total", **labels) for labels in (warm, cold)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 2]


def test_unknown_models_share_one_label(server):
    """A caller cannot grow the number of series."""
    server.get("/v2/models/invented-1")
    page = server.get("/metrics").body.decode()
    assert "invented" not in page
    assert value(server, "tidemill_requests_total", model="", protocol="v2", code="404") >= 1


def test_the_page_is_the_text_format(server, kit):
    """Content type, help and type lines, and which version is served."""
    response = server.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"# TYPE tidemill_request_seconds histogram" in response.body
    assert value(server, "tidemill_model_info", model=kit.OBJECTIVE, version="1") == 1


def test_histogram_buckets_add_up():
    """Buckets are cumulative, bounds inclusive, and +Inf is the count."""
    metrics = Metrics()
    for seconds in (0.0005, 0.0006, 99.0):
        metrics.answered("m", "v2", "200", seconds)
    page = metrics.render([])
    assert 'tidemill_request_seconds_bucket{model="m",protocol="v2",le="0.0005"} 1\n' in page
    assert 'tidemill_request_seconds_bucket{model="m",protocol="v2",le="0.001"} 2\n' in page
    assert 'tidemill_request_seconds_bucket{model="m",protocol="v2",le="+Inf"} 3\n' in page
    assert 'tidemill_request_seconds_count{model="m",protocol="v2"} 3\n' in page


def test_label_values_are_escaped():
    """A quote in a version must not break the page."""
    page = Metrics().render([("m", 'a"b\\c')])
    assert 'version="a\\"b\\\\c"' in page
