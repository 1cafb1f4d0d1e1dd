"""Parts prepared by worker processes, their results in the order of the parts."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from queue import Full, Queue, SimpleQueue
from threading import Event, Thread
from typing import IO

from tidemill.errors import EventLogError
from tidemill.importing.messages import Answer, read_answer, write_part, write_work
from tidemill.importing.parts import Part
from tidemill.importing.preparing import Finished, Prepared, Work, prepare
from tidemill.importing.splitting import PART_BYTES
from tidemill.importing.worker import GO_ON

_PARTS_AHEAD = 64
_BYTES_AHEAD = 512 * 1024 * 1024
"""How far each worker may be ahead of what is committed; one part may be larger."""
_CHUNKS_AHEAD = 50
"""Chunks of one part that may wait."""

_PATIENCE_SECONDS = 0.2

Results = Iterator[Prepared | Finished]


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
    jobs = _Jobs()
    with ExitStack() as stack:
        processes = [stack.enter_context(_worker(work)) for _ in range(workers)]
        threads = [Thread(target=_serve, args=(process, jobs)) for process in processes]
        for thread in threads:
            thread.start()
        try:
            yield _in_order((_Job(number, part) for number, part in numbered), jobs, workers)
        finally:
            jobs.end(workers)
    for thread in threads:
        thread.join()


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


class _Jobs:
    """What is still to be done, for all threads that serve a worker."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[_Job | None] = SimpleQueue()
        self._over = Event()

    def put(self, job: _Job) -> None:
        self._waiting.put(job)

    def __iter__(self) -> Iterator[_Job]:
        return iter(self._waiting.get, None)

    def end(self, threads: int) -> None:
        """Nobody waits for answers any more, nor for jobs."""
        self._over.set()
        for _ in range(threads):
            self._waiting.put(None)

    def answer(self, job: _Job, answer: Answer) -> None:
        """Wait until the answer can be taken, or nobody will take it."""
        while not self._over.is_set():
            try:
                job.answers.put(answer, timeout=_PATIENCE_SECONDS)
            except Full:
                continue
            return


def _in_order(coming: Iterator[_Job], jobs: _Jobs, workers: int) -> Iterator[tuple[Part, Results]]:
    begun: deque[_Job] = deque()
    while True:
        while _may_begin(begun, workers) and (job := next(coming, None)):
            begun.append(job)
            jobs.put(job)
        if not begun:
            return
        yield begun[0].part, begun[0].results()
        begun.popleft()


def _may_begin(begun: deque[_Job], workers: int) -> bool:
    size = sum(_size(job.part) for job in begun)
    is_little = len(begun) < _PARTS_AHEAD * workers and size < _BYTES_AHEAD * workers
    return is_little or len(begun) < workers


def _size(part: Part) -> int:
    """About how many bytes of text it has."""
    whole = part.file.text_size
    return min(PART_BYTES, whole) if part.end is not None or part.start else whole


@contextmanager
def _worker(work: Work) -> Iterator[subprocess.Popen[bytes]]:
    # In a group of its own it does not hear Ctrl-C: this process decides when it ends.
    process = subprocess.Popen(
        [sys.executable, "-m", "tidemill.importing.worker"],
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


def _serve(process: subprocess.Popen[bytes], jobs: _Jobs) -> None:
    """Hand one job after the other to a worker, and its answers to the job."""
    for job in jobs:
        try:
            for answer in _ask(process, job):
                jobs.answer(job, answer)
        except OSError:
            jobs.answer(job, _lost(process))
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
