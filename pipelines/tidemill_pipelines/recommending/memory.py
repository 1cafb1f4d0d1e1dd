"""Whether a training fits into memory, asked before it starts."""

from __future__ import annotations

import os
from pathlib import Path

from tidemill.errors import NotReadyError

_BYTES_OF_AN_ITEM = 12_000
"""Vectors and neighbours of all candidates, twice."""
_BYTES_OF_A_PAIR = 40
_MOST_PAIRS = 5_000_000
"""Beyond it candidates learn from a sample; the rest stays on disk."""
_BYTES_OF_A_USER = 200
_BYTES_AT_LEAST = 1_500_000_000
_CGROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    (
        "/sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)
"""Of a container, as it sees itself: version 2 of control groups, then version 1."""


def check_memory(users: int, pairs: int, items: int) -> None:
    """Raise NotReadyError where learning from so much takes more than is free."""
    needed = _BYTES_AT_LEAST + items * _BYTES_OF_AN_ITEM + users * _BYTES_OF_A_USER
    needed += min(pairs, _MOST_PAIRS) * _BYTES_OF_A_PAIR
    free = free_memory()
    if needed > free:
        raise NotReadyError(
            f"learning from {users:,} users and {items:,} items takes about "
            f"{needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free",
            hint="raise items.minimum_users, or train where there is more memory",
        )


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that may still be taken: what the machine has left, or less in a container.

    Cached files that nobody needs just now count as free. `root` is where `proc` and `sys` are.
    """
    machine = _table(root / "proc/meminfo").get("MemAvailable:")
    free = 1024 * machine if machine else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for folder, limit, used, cached in _CGROUPS:
        group = root / folder.lstrip("/")
        most = _number(group / limit)
        if most is not None:
            cache = _table(group / "memory.stat").get(cached, 0)
            free = min(free, most - (_number(group / used) or 0) + cache)
    return free


def _number(path: Path) -> int | None:
    """None where there is no such file, or no limit in it."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _table(path: Path) -> dict[str, int]:
    """The first number of each line by the line's first word."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {words[0]: int(words[1]) for words in lines if len(words) > 1}
