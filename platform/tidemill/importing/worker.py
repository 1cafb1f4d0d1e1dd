"""A process that prepares parts for the one that started it, and ends with it.

It reads the work and then one part after the other from stdin, and writes answers to stdout. After
each chunk it waits for leave to go on, so that it never runs far ahead. When stdin ends, however
the other process ended, so does this one.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib.abc import MetaPathFinder
from queue import SimpleQueue
from threading import Thread

import pyarrow as pa

from tidemill.errors import EventLogError
from tidemill.importing.messages import read_part_of, read_work, write_answer
from tidemill.importing.preparing import Finished, prepare

GO_ON = b"\n"


def main() -> None:
    """Work until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand between the answers
    pa.set_cpu_count(1)
    sys.meta_path.insert(0, _WithoutPandas())
    requests: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_listen, args=(requests,), daemon=True).start()
    work = read_work(requests.get())
    # Events hold no cycles, and looking for some in a million of them takes a fifth of the time.
    gc.freeze()
    gc.disable()
    while True:
        number, part = read_part_of(requests.get())
        try:
            for answer in prepare(part, number, work):
                answers.write(write_answer(answer))
                answers.flush()
                if not isinstance(answer, Finished):
                    requests.get()
                    gc.collect()
        except EventLogError as error:
            answers.write(write_answer(error))
            answers.flush()


class _WithoutPandas(MetaPathFinder):
    """PyArrow would load pandas, which takes as long as all else, to ask whether lists are its."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


def _listen(requests: SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
