"""Scratch folders that vanish with their owner, even after kill -9.

Each folder holds a lock file that its owner keeps locked. The operating system drops the lock with
the process, so whoever comes next can tell an abandoned folder from one in use.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_LOCK = "owner.lock"


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`; others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder below `parent`, removed at the end. Abandoned ones are removed first."""
    with exclusive(parent / ".lock"):
        _sweep(parent)
        folder = Path(tempfile.mkdtemp(dir=parent))
        owner = (folder / _LOCK).open("a")
        fcntl.flock(owner, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        owner.close()


def _sweep(parent: Path) -> None:
    for folder in parent.iterdir():
        if folder.is_dir() and _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    lock = folder / _LOCK
    if not lock.exists():
        return True
    with lock.open("a") as handle:
        return _try_lock(handle)


def _try_lock(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
