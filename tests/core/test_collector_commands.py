"""`tidemill sources` and what `tidemill collect` says when it starts."""

import json
import os
import subprocess
import sys

import pytest
from collector_kit import Process, ask, basic, free_port, track

LAUNCH = (
    "import typer; from tidemill.collector.cli import register; "
    "app = typer.Typer(pretty_exceptions_enable=False); register(app); app()"
)


@pytest.fixture
def run(tmp_path):
    """`run("sources", "list")`: the finished command, in a home of the test's own."""

    def start(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "-c", LAUNCH, *arguments],
            env={**os.environ, "TIDEMILL_HOME": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return start


def test_a_source_is_added_listed_and_removed(run):
    """The key alone is on stdout, and never again."""
    added = run("sources", "add", "web")
    assert len(added.stdout.strip()) == 32
    assert "shown only now" in added.stderr
    assert run("sources", "list").stdout == "web\n"
    assert added.stdout.strip() not in run("sources", "list", "--json").stdout
    assert run("sources", "remove", "web").returncode == 0
    assert run("sources", "list").stdout == ""


def test_scripts_get_json(run):
    """Name and key."""
    answer = json.loads(run("sources", "add", "web", "--json").stdout)
    assert answer["source"] == "web"
    assert len(answer["write_key"]) == 32


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "web"), "there is a source 'web' already"),
        (("add", "a b"), "'a b' cannot be the name of a source"),
        (("remove", "shop"), "there is no source 'shop'"),
    ],
)
def test_mistakes_are_told(run, arguments, says):
    """With the name, and what there is."""
    run("sources", "add", "web")
    assert says in run("sources", *arguments).stderr


def test_a_folder_of_keys_takes_the_place_of_the_file(run, tmp_path):
    """A cluster mounts one; a missing one is an error and not an open door."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "web").write_text("secret")
    listed = run("sources", "list", TIDEMILL_WRITE_KEYS_DIR=str(tmp_path / "keys"))
    assert listed.stdout == "web\n"
    missing = run("collect", "--write-keys-dir", str(tmp_path / "none"))
    assert missing.returncode == 1
    assert "there is no folder" in missing.stderr


def test_a_port_that_is_taken_is_told(run, tmp_path):
    """Not as a traceback of asyncio's."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = run("collect", "--port", str(taken.getsockname()[1]))
    assert "cannot listen on 127.0.0.1" in ended.stderr


def test_the_first_start_makes_a_source_and_prints_its_key_once(tmp_path):
    """With a line of code to paste; the second start prints nothing."""
    first = Process(tmp_path).start()
    key = first.key
    try:
        assert f"segment.analytics.Client('{key}', host='{first.url}')" in first.said()
        body = {"batch": [track()]}
        assert ask(first.port, "POST", "/v1/batch", body, basic(key)).status == 200
    finally:
        assert first.stop() == 0
    second = Process(tmp_path, port=free_port()).start()
    try:
        assert second.key == ""
        assert ask(second.port, "POST", "/v1/batch", body, basic(key)).status == 200
    finally:
        second.kill()
