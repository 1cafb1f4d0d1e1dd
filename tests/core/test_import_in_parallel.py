"""Files and parts of files are read by several processes, and the outcome is as if by one."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import orjson
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.errors import EventLogError
from tidemill.events import EventLog, ImportReport
from tidemill.importing import importer, portions, splitting
from tidemill.importing.cores import _quota, count_cores
from tidemill.importing.files import find_files
from tidemill.importing.importer import Audience, import_files

ROWS = 3_000


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three processes for any file, parts of 20 KB, commits of 1,000 rows."""
    monkeypatch.setattr(splitting, "PART_BYTES", 20_000)
    monkeypatch.setattr(portions, "PORTION_ROWS", 1_000)
    monkeypatch.setattr(importer, "_workers", lambda _: 3)


def row(number: int, **changes: Any) -> dict[str, Any]:
    event = {"event_id": f"e{number}", "name": "buy", "user_id": f"u{number % 9}"}
    return {**event, "timestamp": "2017-03-01T12:00:00Z", "value": number, **changes}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def query(log: EventLog, sql: str) -> list[tuple[Any, ...]]:
    with log.connect() as con:
        return con.sql(sql).fetchall()


def test_all_parts_of_a_file_are_imported(log: EventLog, tmp_path: Path) -> None:
    """Each line once, in several commits."""
    path = write(tmp_path / "a.jsonl", [row(number) for number in range(ROWS)])
    assert path.stat().st_size > 10 * splitting.PART_BYTES
    assert import_files(log, [path]) == ImportReport(ROWS, 0, {})
    assert query(log, "SELECT count(DISTINCT event_id) FROM events") == [(ROWS,)]
    assert log.version() >= 2


def test_the_first_of_equal_ids_wins(log: EventLog, tmp_path: Path) -> None:
    """Within a file, across its parts and across files, in their order."""
    rows = [row(number % 500, value=number) for number in range(ROWS)]
    write(tmp_path / "a.jsonl", rows)
    write(tmp_path / "b.jsonl", [row(number, value=-1) for number in range(600)])
    report = import_files(log, [tmp_path / "a.jsonl", tmp_path / "b.jsonl"])
    assert report == ImportReport(600, ROWS, {})
    found = query(log, "SELECT event_id, value FROM events WHERE value >= 0")
    assert sorted(found) == sorted((f"e{number}", float(number)) for number in range(500))


def test_dead_letters_keep_the_lines_of_their_file(log: EventLog, tmp_path: Path) -> None:
    """Whichever part they were in; malformed lines and broken rules alike."""
    rows: list[dict[str, Any]] = [row(number) for number in range(ROWS)]
    bad = [7, 1_234, 2_999]
    for line in bad:
        rows[line - 1] = {"name": f"line {line}"}
    report = import_files(log, [write(tmp_path / "a.jsonl", rows)])
    assert report.accepted == ROWS - len(bad)
    found = query(log, "SELECT line, raw FROM dead_letters ORDER BY line")
    assert found == [(line, f'{{"name":"line {line}"}}') for line in bad]


def test_row_groups_of_a_parquet_file_are_read_apart(log: EventLog, tmp_path: Path) -> None:
    """Their rows keep their numbers."""
    rows = [row(number) for number in range(ROWS)]
    rows[2_500]["user_id"] = None
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=300, compression="none")
    assert len(list(splitting.split(find_files([path])[0]))) > 2
    report = import_files(log, [path])
    assert report == ImportReport(ROWS - 1, 0, {"no user_id or anonymous_id": 1})
    assert query(log, "SELECT line FROM dead_letters") == [(2_501,)]


def workers() -> list[psutil.Process]:
    """Those of imports: servers that other tests share are children of this process too."""
    return [child for child in psutil.Process().children() if _is_worker(child)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "tidemill.importing.worker" in process.cmdline()
    except psutil.ZombieProcess:  # it has ended, and nobody has asked it how
        return False


def test_no_process_or_thread_is_left_behind(log: EventLog, tmp_path: Path) -> None:
    """Neither after an import nor after one that fails."""
    before = set(threading.enumerate())
    path = write(tmp_path / "a.jsonl", [row(number) for number in range(ROWS)])
    import_files(log, [path])
    with pytest.raises(ZeroDivisionError):
        import_files(log, [path], audience=Audience(on_bytes=lambda *_: 1 / 0))
    assert workers() == []
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", None), ("150000 100000", 2), ("50000 100000", 1)]
)
def test_a_container_is_not_given_more_processes_than_it_may_use(
    tmp_path: Path, quota: str, cores: int | None
) -> None:
    """The machine may have sixty-four."""
    (tmp_path / "cpu.max").write_text(quota)
    assert _quota(tmp_path / "cpu.max") == cores
    assert _quota(tmp_path / "none") is None
    assert count_cores() >= 1


def test_a_worker_that_dies_is_an_error_and_nothing_is_lost(
    log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system kills the largest process first when memory runs out."""
    monkeypatch.setattr("tidemill.importing.pool._BYTES_AHEAD", 0)
    path = write(tmp_path / "a.jsonl", [row(number) for number in range(ROWS)])

    def kill_workers(done: int, total: int) -> None:
        for worker in workers():
            worker.kill()

    with pytest.raises(EventLogError, match="was ended by signal 9"):
        import_files(log, [path], audience=Audience(on_bytes=kill_workers))
    assert workers() == []
    assert import_files(log, [path]).accepted == ROWS
    assert query(log, "SELECT count(*), count(DISTINCT event_id) FROM events") == [(ROWS, ROWS)]


def test_a_file_that_breaks_off_does_not_stop_the_others(log: EventLog, tmp_path: Path) -> None:
    """It is named, and what stands before the break is kept."""
    write(tmp_path / "b.jsonl", [row(number) for number in range(ROWS)])
    (tmp_path / "a.jsonl.gz").write_bytes(b"\x1f\x8b\x08 broken")
    report = import_files(log, [tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl"])
    assert report.accepted == ROWS
    assert list(report.unreadable) == [str(tmp_path / "a.jsonl.gz")]


def test_progress_grows_to_the_whole(log: EventLog, tmp_path: Path) -> None:
    """In bytes of the files as they are stored."""
    path = write(tmp_path / "a.jsonl", [row(number) for number in range(ROWS)])
    seen: list[tuple[int, int]] = []
    import_files(log, [path], audience=Audience(on_bytes=lambda *now: seen.append(now)))
    size = path.stat().st_size
    assert seen == sorted(seen)
    assert len(seen) > 5
    assert seen[-1] == (size, size)


@pytest.mark.parametrize("shuffled", [False, True])
def test_events_in_any_order_are_kept_by_time(
    log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shuffled: bool
) -> None:
    """A look at a few minutes reads little, though the file may be sorted by user."""
    monkeypatch.setattr(portions, "PORTION_ROWS", ROWS)
    minutes = range(0, ROWS * 7, 7) if shuffled else range(ROWS)
    times = [f"2017-03-01T{minute // 60 % 24:02}:{minute % 60:02}:00Z" for minute in minutes]
    rows = [row(number, timestamp=time) for number, time in enumerate(times)]
    import_files(log, [write(tmp_path / "a.jsonl", rows[: 24 * 60])])
    kept = query(log, "SELECT timestamp FROM events")
    assert kept == sorted(kept)
