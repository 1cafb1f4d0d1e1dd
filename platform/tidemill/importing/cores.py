"""How many processors this process may use."""

from __future__ import annotations

import os
from math import ceil
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def count_cores() -> int:
    """Processors of this machine that this process, or its container, may use; at least 1."""
    if hasattr(os, "sched_getaffinity"):
        available = len(os.sched_getaffinity(0))
    else:
        available = os.cpu_count() or 1
    return max(1, min(available, _quota(_QUOTA) or available))


def _quota(path: Path) -> int | None:
    """Whole processors of a container's quota; None without one."""
    try:
        limit, period = path.read_text().split()
        return ceil(int(limit) / int(period))
    except (OSError, ValueError):
        return None
