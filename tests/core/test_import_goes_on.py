"""An import that was interrupted goes on where its last commit was. Real processes and signals."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import psutil
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from tidemill.events import EventLog, ImportReport
from tidemill.importing import importer, portions, splitting
from tidemill.importing.formats import Format
from tidemill.importing.importer import Audience, import_files

ROWS = 12_000
IMPORT = """
import signal
import sys
import time
from pathlib import Path
from tidemill.events import EventLog
from tidemill.importing import importer, notes, portions, splitting
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
save = notes.Note.save
notes.Note.save = lambda *all: (save(*all), time.sleep(0.2))  # leaves time to interrupt it
splitting.PART_BYTES, portions.PORTION_ROWS = 100_000, 2_000
importer._workers = lambda _: 2
importer.import_files(EventLog(Path(sys.argv[1])), sys.argv[2:])
"""


@pytest.fixture(autouse=True)
def _small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in IMPORT, but in this process."""
    monkeypatch.setattr(splitting, "PART_BYTES", 100_000)
    monkeypatch.setattr(portions, "PORTION_ROWS", 2_000)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files of distinct events; each has a row in its middle that is refused."""
    folder = tmp_path / "files"
    folder.mkdir()
    return [write(folder / f"{name}.jsonl", name) for name in "ab"]


def write(path: Path, prefix: str) -> Path:
    event = {"name": "buy", "user_id": "u1", "timestamp": "2017-03-01T12:00:00Z"}
    rows: list[dict[str, Any]] = [{**event, "event_id": f"{prefix}{n}"} for n in range(ROWS // 2)]
    rows[ROWS // 4] = {"name": f"nobody {prefix}"}
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def count(log: EventLog) -> tuple[int, ...]:
    """Events, distinct events, dead letters."""
    with log.connect() as con:
        (counts,) = con.sql(
            "SELECT count(*), count(DISTINCT event_id), (SELECT count(*) FROM dead_letters) "
            "FROM events"
        ).fetchall()
    return tuple(counts)


def notes(log: EventLog) -> list[Path]:
    return list((log.root / "imports").glob("*.json"))


@contextmanager
def running_import(log: EventLog, files: list[Path]) -> Iterator[subprocess.Popen[str]]:
    """An import in a process of its own, in the middle of its work: something is committed."""
    command = [sys.executable, "-c", IMPORT, str(log.root), *map(str, files)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, process_group=0)
    try:
        wait_until(lambda: bool(notes(log)) or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(is_so: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_import_goes_on(
    log: EventLog, files: list[Path], how: signal.Signals
) -> None:
    """However it was interrupted: what is committed is not read again, and all is there once."""
    with running_import(log, files) as process:
        workers = psutil.Process(process.pid).children()
        process.send_signal(how)
        process.wait(30)
    psutil.wait_procs(workers, timeout=20)
    assert [worker for worker in workers if worker.is_running()] == []

    committed = count(log)[0]
    assert 2_000 <= committed < ROWS - 2
    said: list[str] = []
    report = import_files(log, files, audience=Audience(said.append))
    assert said[0].startswith("going on where it was interrupted")
    assert report.accepted + report.duplicates == ROWS - 2
    assert report.duplicates <= 3_000  # of the one commit that was not yet noted
    assert count(log) == (ROWS - 2, ROWS - 2, 2)
    assert notes(log) == []


def interrupt(log: EventLog, files: list[Path], after: int) -> None:
    """Import until Ctrl-C, which comes when there are that many commits."""

    def on_bytes(done: int, total: int) -> None:
        if log.version() + 1 >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_files(log, files, audience=Audience(on_bytes=on_bytes))


def test_what_is_committed_is_not_read_again(log: EventLog, files: list[Path]) -> None:
    """The finished file could hold anything by now."""
    interrupt(log, files, after=4)
    times = files[0].stat()
    files[0].write_bytes(b"\xff" * times.st_size)
    os.utime(files[0], ns=(times.st_atime_ns, times.st_mtime_ns))
    report = import_files(log, files)
    assert report == ImportReport(ROWS - 2, 0, {"no user_id or anonymous_id": 2})


def test_a_file_that_has_changed_is_read_anew(log: EventLog, files: list[Path]) -> None:
    """Where its lines stood says nothing any more."""
    interrupt(log, files, after=4)
    write(files[0], "c")
    report = import_files(log, files)
    assert count(log)[0] > ROWS - 2
    assert report.accepted == count(log)[0]


def test_lines_keep_their_numbers_after_an_interruption(log: EventLog, files: list[Path]) -> None:
    """Dead letters of both runs point to the right rows."""
    interrupt(log, files, after=2)
    import_files(log, files)
    with log.connect() as con:
        found = con.sql("SELECT source, line FROM dead_letters ORDER BY source").fetchall()
    assert found == [(str(file), ROWS // 4 + 1) for file in files]


def test_another_command_begins_anew(log: EventLog, files: list[Path]) -> None:
    """Notes are for the same paths and the same format only; events are duplicates all the same."""
    interrupt(log, files, after=2)
    committed = count(log)[0]
    report = import_files(log, files, Format("native"))
    assert (report.duplicates, report.accepted) == (committed, ROWS - 2 - committed)


@pytest.mark.parametrize("left", [b"", b'{"files": {"a": {"bytes": 1}}}', b"[]"])
def test_a_note_that_a_crash_has_damaged_is_none(
    log: EventLog, files: list[Path], left: bytes
) -> None:
    """A power cut may leave a file without its content; what is read again is known by its id."""
    interrupt(log, files, after=2)
    committed = count(log)[0]
    (note,) = notes(log)
    note.write_bytes(left)
    report = import_files(log, files)
    assert (report.duplicates, report.accepted) == (committed, ROWS - 2 - committed)


def test_an_import_that_ended_is_read_again(log: EventLog, files: list[Path]) -> None:
    """All of it is duplicates then, and no note is left."""
    import_files(log, files)
    assert list((log.root / "imports").iterdir()) == []
    assert import_files(log, files).duplicates == ROWS - 2


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl.gz", "a.parquet"])
def test_every_kind_of_file_can_be_gone_on_with(
    log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """From the middle of a file, though gzipped text has to be unzipped up to there."""
    monkeypatch.setattr("tidemill.importing.json_lines._CHUNK_BYTES", 20_000)
    monkeypatch.setattr("tidemill.importing.lines._BLOCK", 20_000)
    monkeypatch.setattr("tidemill.events.unchecked._ROWS", 900)
    monkeypatch.setattr("tidemill.importing.parquet_files._ROWS", 900)
    path = tmp_path / name
    write_kind(path, 10_000)
    interrupt(log, [path], after=2)
    (note,) = notes(log)
    (reached,) = orjson.loads(note.read_bytes())["files"].values()
    assert reached["end"] > 0
    assert import_files(log, [path]) == ImportReport(9_999, 0, {"no user_id or anonymous_id": 1})
    with log.connect() as con:
        (line,) = con.sql("SELECT line FROM dead_letters").fetchall()
    assert line == (10_001 if name == "a.csv" else 10_000,)


def write_kind(path: Path, rows: int) -> None:
    """The last event has no user; the text of some spans two lines of CSV."""
    users = [*["u1"] * (rows - 1), None]
    ids = [f"e{number}" for number in range(rows)]
    table = pa.table({"event_id": ids, "user_id": users, "name": ["buy"] * rows})
    table = table.append_column("timestamp", pa.array(["2017-03-01"] * rows))
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        lines = b"".join(orjson.dumps(row) + b"\n" for row in table.to_pylist())
        path.write_bytes(gzip.compress(lines))


def test_the_same_import_twice_at_a_time_waits(log: EventLog, files: list[Path]) -> None:
    """The second says so, and finds nothing but duplicates."""
    with running_import(log, files) as process:
        said: list[str] = []
        report = import_files(log, files, audience=Audience(said.append))
        assert process.wait(60) == 0
    assert "waiting for it to end" in said[0]
    assert report == ImportReport(0, ROWS - 2, {"no user_id or anonymous_id": 2})
    assert count(log) == (ROWS - 2, ROWS - 2, 2)


def test_other_imports_interleave(log: EventLog, files: list[Path], tmp_path: Path) -> None:
    """A small one need not wait for the end of a large one."""
    small = tmp_path / "small.jsonl"
    small.write_text('{"event_id":"s","name":"buy","user_id":"u1","timestamp":"2017-03-01"}\n')
    with running_import(log, files) as process:
        assert import_files(log, [small]).accepted == 1
        assert process.wait(60) == 0
    assert count(log) == (ROWS - 1, ROWS - 1, 2)
    assert importer.import_files(log, [small]).duplicates == 1
