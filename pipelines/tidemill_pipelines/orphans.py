"""Steps of a local run end with the process that started it, also when that is killed with -9.

Nothing would tell them: the runner starts each through a shell, and a step that went on by itself
could register or promote a version beside the next training.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

_VARIABLE = "TIDEMILL_RUN_LOCK"


@contextmanager
def taking_steps_along(path: Path) -> Iterator[None]:
    """Hold a lock at `path`, which the kernel frees when this process ends, however it ends; steps
    that are started meanwhile end then as well."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.environ[_VARIABLE] = str(path)
        try:
            yield
        finally:
            del os.environ[_VARIABLE]


def end_with_the_run() -> None:
    """In a step: end at once when the run does. On a cluster pods see to that."""
    path = os.environ.get(_VARIABLE)
    if path is not None:
        Thread(target=_die_when_free, args=(Path(path),), daemon=True).start()


def _die_when_free(path: Path) -> None:
    with path.open("a") as handle:
        # Shared, so that no orphan keeps another one waiting.
        fcntl.flock(handle, fcntl.LOCK_SH)
        os.kill(os.getpid(), signal.SIGKILL)
