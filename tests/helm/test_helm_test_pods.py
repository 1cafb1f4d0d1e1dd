"""The checks of `helm test`, run here against real servers."""

import subprocess
import sys
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

LOCKED = ("--set", "redis.requirePassword=true", "--set", "credentials.existingSecret=mine")


@pytest.fixture
def web():
    """A server that knows /healthz only; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_):
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


def code(chart, name, *options):
    """What the test pod runs."""
    container = chart.one("Pod", f"test-{name}", "default", *options)["spec"]["containers"][0]
    assert container["command"] == ["python", "-c"]
    return container["args"][0]


def passes(text, password=None):
    command = [sys.executable, "-c", text]
    variables = {"TIDEMILL_ONLINE_STORE_PASSWORD": password} if password else {}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    return done.returncode == 0


def options_of_redis(chart, *options):
    """The rendered command line, but for its folder, which is a volume."""
    found = chart.one("StatefulSet", "redis", "default", *options)
    args = found["spec"]["template"]["spec"]["containers"][0]["args"]
    return ["pa55" if word.startswith("$(") else word for word in args[2:]]


def at(port, text):
    return text.replace('"tidemill-redis", 6379', f'"127.0.0.1", {port}')


def test_a_healthy_operator_passes(chart, web):
    """And one that does not answer fails."""
    check = partial(code(chart, "operator").replace, "tidemill-operator:8090")
    assert passes(check(web))
    assert not passes(check("127.0.0.1:9"))


def test_a_registry_without_its_database_fails(chart, web):
    """Its health page alone would not tell."""
    assert not passes(code(chart, "mlflow").replace("tidemill-mlflow:5000", web))


def test_an_open_online_store_passes(chart, start_redis):
    """Started with the rendered options."""
    server = start_redis(*options_of_redis(chart))
    assert passes(at(server.port, code(chart, "redis")))


def test_a_locked_online_store_asks_for_the_password(chart, start_redis):
    """The right one passes, a wrong one and none fail."""
    server = start_redis(*options_of_redis(chart, *LOCKED))
    check = at(server.port, code(chart, "redis", *LOCKED))
    assert passes(check, "pa55")
    assert not passes(check, "other")
    assert not passes(at(server.port, code(chart, "redis")))


def test_the_helper_makes_the_shared_folders(chart, tmp_path):
    """Again and again, without harm."""
    container = chart.one("Job", "home")["spec"]["template"]["spec"]["containers"][0]
    text = container["command"][-1].replace("/tidemill", str(tmp_path))
    assert passes(text)
    assert passes(text)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions", "serving"]
