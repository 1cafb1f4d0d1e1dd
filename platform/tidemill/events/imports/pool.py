"""Parts prepared by worker processes, their results in the order of the parts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from queue import Queue, SimpleQueue
from threading import Thread
from typing import IO

from tidemill.errors import EventLogError
from tidemill.events.imports.messages import Answer, read_answer, write_part, write_work
from tidemill.events.imports.preparing import Finished, Prepared, Work, prepare
from tidemill.events.imports.worker import GO_ON
from tidemill.events.parts import Part

_PARTS_AHEAD = 8
"""Parts that each worker may be ahead of what is committed."""
_CHUNKS_AHEAD = 100
"""Chunks of one part that may wait."""

Results = Iterator[Prepared | Finished]


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def prepared_parts(
    parts: Iterable[Part], work: Work, workers: int
) -> Iterator[Iterator[tuple[Part, Results]]]:
    """Each part with its results, which end with Finished; prepared here if `workers` is 1.

    The results of a part must be taken before those of the next. Workers end with this context, or
    with this process, however it ends. Raises EventLogError when a worker fails.
    """
    numbered = enumerate(parts)
    if workers == 1:
        yield ((part, prepare(part, number, work)) for number, part in numbered)
        return
    jobs: SimpleQueue[_Job] = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(workers):
            process = stack.enter_context(_worker(work))
            Thread(target=_serve, args=(process, jobs), daemon=True).start()
        yield _in_order((_Job(number, part) for number, part in numbered), jobs, workers)


@dataclass
class _Job:
    number: int
    part: Part
    answers: Queue[Answer] = field(default_factory=lambda: Queue(_CHUNKS_AHEAD))

    def results(self) -> Results:
        while True:
            answer = self.answers.get()
            if isinstance(answer, EventLogError):
                raise answer
            yield answer
            if isinstance(answer, Finished):
                return


def _in_order(
    coming: Iterator[_Job], jobs: SimpleQueue[_Job], workers: int
) -> Iterator[tuple[Part, Results]]:
    begun: deque[_Job] = deque()
    while True:
        while len(begun) < _PARTS_AHEAD * workers and (job := next(coming, None)):
            begun.append(job)
            jobs.put(job)
        if not begun:
            return
        yield begun[0].part, begun[0].results()
        begun.popleft()


@contextmanager
def _worker(work: Work) -> Iterator[subprocess.Popen[bytes]]:
    # In a group of its own it does not hear Ctrl-C: this process decides when it ends.
    process = subprocess.Popen(
        [sys.executable, "-m", "tidemill.events.imports.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    )
    try:
        _send(process.stdin, write_work(work))
        yield process
    finally:
        process.kill()
        process.wait()


def _serve(process: subprocess.Popen[bytes], jobs: SimpleQueue[_Job]) -> None:
    """Hand one job after the other to a worker, and its answers to the job."""
    while True:
        job = jobs.get()
        try:
            for answer in _ask(process, job):
                job.answers.put(answer)
        except OSError:
            job.answers.put(_lost(process))
            return


def _ask(process: subprocess.Popen[bytes], job: _Job) -> Iterator[Answer]:
    _send(process.stdin, write_part(job.number, job.part))
    while True:
        line = process.stdout.readline() if process.stdout else b""
        answer = read_answer(line) if line.endswith(b"\n") else _lost(process)
        yield answer
        if not isinstance(answer, Prepared):
            return
        _send(process.stdin, GO_ON)


def _send(pipe: IO[bytes] | None, line: bytes) -> None:
    if pipe is not None:
        pipe.write(line)
        pipe.flush()


def _lost(process: subprocess.Popen[bytes]) -> EventLogError:
    code = process.wait()
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return EventLogError(
        f"a process that read events {how}",
        hint="if memory ran out, free some; the same command continues where the import stood",
    )
