"""From the spool into the event log.

A segment is deleted when its events are committed. A crash between the two repeats the segment, and
the log knows the events by their ids: those that came without one get an id made of their content,
and the content of a frame never changes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidemill.collector.loads import SourceLoad, take_load
from tidemill.errors import TidemillError
from tidemill.events.ingesting import ImportReport, ingest
from tidemill.events.log import EventLog

_COMPACT_EVERY = 50
"""Commits to the log."""
_LONGEST_PAUSE = 30.0

logger = logging.getLogger("tidemill.collector")


@dataclass(frozen=True)
class DrainReport:
    """What became of the segments of one drain."""

    accepted: int
    duplicates: int
    rejected: Mapping[str, int]
    """By reason; kept as dead letters."""
    marked: Mapping[str, int]
    """Accepted events that are kept and not counted, by reason."""
    segments: int
    commits: int
    seconds: float
    is_full: bool
    """Whether more may wait than one drain takes."""


def drain_once(folder: Path, log: EventLog) -> DrainReport:
    """Move segments of `folder` that nobody writes into `log`, about 200,000 events at most.

    Any number of processes may drain one folder. Raises EventLogError when the log cannot be
    written; then the segments stay.
    """
    started = time.monotonic()
    with take_load(folder) as load:
        reports = [_ingest(log, name, source) for name, source in load.sources.items()]
        load.finish()
    return DrainReport(
        accepted=sum(report.accepted for report in reports),
        duplicates=sum(report.duplicates for report in reports),
        rejected=_sum(report.rejected for report in reports),
        marked=_sum(report.marked for report in reports),
        segments=load.segments,
        commits=len(reports),
        seconds=time.monotonic() - started,
        is_full=load.is_full,
    )


class Drain:
    """Drains a folder every `interval` seconds, in a thread of its own."""

    def __init__(
        self,
        folder: Path,
        log: EventLog,
        interval: float = 1.0,
        on_drained: Callable[[DrainReport], None] = lambda _: None,
    ) -> None:
        """`on_drained` is called in that thread, for each drain that found something."""
        self._folder = folder
        self._log = log
        self._interval = interval
        self._on_drained = on_drained
        self._commits = 0
        self._failures = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, final: bool = True) -> None:
        """End the thread; with `final`, drain what is left first. Close the spool before."""
        self._stopping.set()
        self._thread.join()
        if final:
            while self._drain() == 0.0:
                pass

    @property
    def is_failing(self) -> bool:
        """Whether the last drain failed; its segments wait for the next."""
        return self._failures > 0

    def _run(self) -> None:
        pause = self._interval
        while not self._stopping.wait(pause):
            pause = self._drain()

    def _drain(self) -> float:
        """Seconds to wait before the next drain."""
        try:
            report = drain_once(self._folder, self._log)
            if report.segments:
                self._on_drained(report)
                self._compact(report.commits)
        except Exception as error:  # whatever it is: the segments stay, and the thread must
            return self._failed(error)
        self._failures = 0
        return 0.0 if report.is_full else self._interval

    def _failed(self, error: Exception) -> float:
        self._failures += 1
        pause: float = min(self._interval * 2**self._failures, _LONGEST_PAUSE)
        said = error.message if isinstance(error, TidemillError) else repr(error)
        logger.error("events stay in the spool, next try in %.0f s: %s", pause, said)
        return pause

    def _compact(self, commits: int) -> None:
        self._commits += commits
        if self._commits < _COMPACT_EVERY:
            return
        self._commits = 0
        try:
            self._log.compact()
        except TidemillError as error:
            logger.warning("the event log was not compacted: %s", error.message)


def _ingest(log: EventLog, name: str, source: SourceLoad) -> ImportReport:
    origin = f"collector/{name}"
    batches = ((origin, batch) for batch in source.batches())
    return ingest(log, batches, name, clock_offset=source.clock_offset())


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)
