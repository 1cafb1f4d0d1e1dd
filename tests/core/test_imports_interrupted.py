"""Imports survive kill -9, full disks and each other. Real processes, real signals."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from tidemill.events import EventLog
from tidemill.importing.importer import import_files

EVENTS = 40_000
IMPORT = """
import sys
from pathlib import Path
import orjson
from dataclasses import asdict
from tidemill.events import EventLog
from tidemill.importing.importer import import_files
report = import_files(EventLog(Path(sys.argv[1])), [Path(sys.argv[2])])
print(orjson.dumps(asdict(report)).decode())
"""


@pytest.fixture
def events_file(tmp_path: Path) -> Path:
    """Distinct events, and one row that is refused."""
    path = tmp_path / "events.jsonl"
    event = {"name": "buy", "timestamp": "2017-03-01T12:00:00Z"}
    rows = [{**event, "event_id": f"e{n}", "user_id": f"u{n % 99}"} for n in range(EVENTS)]
    path.write_bytes(b"\n".join(map(orjson.dumps, [*rows, {"name": "nobody"}])))
    return path


def start_import(log: EventLog, file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", IMPORT, str(log.root), str(file)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )


def count(log: EventLog) -> tuple[int, int, int]:
    """Events, distinct events, dead letters."""
    with log.connect() as con:
        (counts,) = con.sql(
            "SELECT count(*), count(DISTINCT event_id), (SELECT count(*) FROM dead_letters) "
            "FROM events"
        ).fetchall()
    return counts


def wait_for(process: subprocess.Popen[str], folder: Path, pattern: str) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and not any(folder.glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize(
    "moment", ["staging/*/*.events.parquet", "events/part-*", "events/_delta_log/*.json"]
)
def test_a_killed_import_is_all_or_nothing(log: EventLog, events_file: Path, moment: str) -> None:
    """While staging, while writing data, just after the commit: the next import completes it."""
    process = start_import(log, events_file)
    wait_for(process, log.root, moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert count(log)[0] in (0, EVENTS)

    report = import_files(log, [events_file])
    assert report.accepted + report.duplicates == EVENTS
    assert count(log) == (EVENTS, EVENTS, 1)
    assert not [path for path in (log.root / "staging").iterdir() if path.is_dir()]


def test_concurrent_imports_of_one_file_keep_each_event_once(
    log: EventLog, events_file: Path
) -> None:
    """One of them accepts an event, the other calls it a duplicate."""
    processes = [start_import(log, events_file) for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    reports = [orjson.loads(stdout) for stdout, _ in answers]
    assert sorted(report["accepted"] for report in reports) == [0, EVENTS]
    assert sum(report["duplicates"] for report in reports) == EVENTS
    assert count(log) == (EVENTS, EVENTS, 1)


def test_a_full_disk_is_said_and_changes_nothing(log: EventLog, events_file: Path) -> None:
    """The system refuses to write more than 64 KB into a file."""
    command = [sys.executable, "-c", IMPORT, str(log.root), str(events_file)]
    limit = (64 * 1024, resource.RLIM_INFINITY)
    failed = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert "EventLogError: the event log at" in failed.stderr
    assert count(log)[0] == 0
    assert import_files(log, [events_file]).accepted == EVENTS
