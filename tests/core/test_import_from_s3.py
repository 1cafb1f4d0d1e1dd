"""Events are imported from S3: a real client against moto's server process."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pyarrow.fs
import pytest

from tidemill.errors import EventLogError
from tidemill.events import EventLog
from tidemill.importing import importer, storage
from tidemill.importing.files import find_files
from tidemill.importing.importer import import_files

Put = Callable[[str, bytes], None]


@contextmanager
def moto_server(**environment: str) -> Iterator[str]:
    """Address of an empty S3."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/moto-api/", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("moto did not start")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(autouse=True)
def _fresh_clients() -> Iterator[None]:
    """Each test has an environment of its own."""
    storage._connect.cache_clear()
    yield
    storage._connect.cache_clear()


@pytest.fixture
def put(server: str, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Puts an object; credentials and the address are in the environment, as anywhere."""
    point_to(monkeypatch, server)
    system = pyarrow.fs.S3FileSystem(
        endpoint_override=server.removeprefix("http://"), scheme="http", allow_bucket_creation=True
    )
    system.create_dir("archive")

    def write(path: str, content: bytes) -> None:
        with system.open_output_stream(path, compression=None) as stream:
            stream.write(content)

    return write


def point_to(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def as_lines(first: int, count: int) -> bytes:
    event = {"name": "buy", "user_id": "u1", "timestamp": "2017-03-01"}
    rows = ({**event, "event_id": f"e{n}"} for n in range(first, first + count))
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def test_a_bucket_is_a_folder(put: Put, log: EventLog) -> None:
    """All below a prefix, plain and gzipped; other objects are ignored."""
    put("archive/one/a.jsonl", as_lines(0, 5))
    put("archive/one/deep/b.gz", gzip.compress(as_lines(5, 5)))
    put("archive/one/README.md", b"")
    assert import_files(log, ["s3://archive/one"]).accepted == 10
    assert import_files(log, ["s3://archive/one/a.jsonl"]).duplicates == 5


def test_patterns_are_matched_as_the_shell_does(put: Put) -> None:
    """A star stops at a slash, two do not."""
    for name in ("2016/12/a.jsonl", "2017/01/b.jsonl", "2017/02/c.csv", "2017/02/d.jsonl"):
        put(f"archive/two/{name}", b"")
    found = [file.name for file in find_files(["s3://archive/two/2017/*/*.jsonl"])]
    assert found == ["b.jsonl", "d.jsonl"]
    found = [file.name for file in find_files(["s3://archive/two/**/*.jsonl"])]
    assert found == ["a.jsonl", "b.jsonl", "d.jsonl"]


def test_a_large_object_is_read_in_parts_by_processes_of_their_own(
    put: Put, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials reach them; dead letters name the URL and the line."""
    monkeypatch.setattr("tidemill.importing.splitting.PART_BYTES", 10_000)
    monkeypatch.setattr(importer, "_workers", lambda _: 2)
    put("archive/three/a.jsonl", as_lines(0, 500) + b"{broken\n" + as_lines(500, 500))
    report = import_files(log, ["s3://archive/three/a.jsonl"])
    assert (report.accepted, report.rejected) == (1_000, {"malformed JSON": 1})
    with log.connect() as con:
        found = con.sql("SELECT source, line FROM dead_letters").fetchall()
    assert found == [("s3://archive/three/a.jsonl", 501)]


@pytest.mark.parametrize("url", ["s3://archive/nothing", "s3://archive/nothing/*.jsonl"])
def test_a_prefix_without_events_is_refused(put: Put, url: str) -> None:
    """With what is supported."""
    put("archive/other/README.md", b"")
    with pytest.raises(EventLogError, match="no event files below s3://archive/nothing"):
        find_files([url])


def test_a_bucket_that_does_not_exist_is_named(put: Put) -> None:
    """And what the environment may lack."""
    put("archive/x.jsonl", b"")
    with pytest.raises(
        EventLogError, match="s3://nowhere/x cannot be listed: there is no bucket 'nowhere'"
    ) as refused:
        find_files(["s3://nowhere/x"])
    assert "AWS_ENDPOINT_URL" in str(refused.value.hint)


def test_no_credentials_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What to set, and how."""
    with moto_server(INITIAL_NO_AUTH_ACTION_COUNT="0") as url:
        point_to(monkeypatch, url)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(tmp_path))
        with pytest.raises(EventLogError, match="cannot be listed") as refused:
            find_files(["s3://archive/x"])
    assert "AWS_ACCESS_KEY_ID" in str(refused.value.hint)


def test_a_server_that_is_gone_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is a setting too."""
    point_to(monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(EventLogError, match="cannot be listed"):
        find_files(["s3://archive/x"])
