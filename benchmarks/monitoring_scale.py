"""`python benchmarks/monitoring_scale.py FOLDER monitor|evidently ROWS`: one judgement, measured.

Prints JSON: CPU seconds of this process and its largest resident set, after the data was read. The
data is made by `make_windows`: as many users a side, 50 features, read from .npy files.
"""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from monitoring_judge import Monitor
from monitoring_rival import run_preset
from monitoring_streams import NAMES, USERS_PER_ROW, Stream, Window
from numpy.typing import NDArray

FEATURES = 50


def make_windows(folder: Path, users: int) -> None:
    """Two calm windows; the features beyond the stream's own are its first ones of other users."""
    stream = Stream(0, round(users / USERS_PER_ROW), returning=False)
    for side in ("reference", "current"):
        vectors = stream.window().vectors
        more = np.roll(vectors[:, : FEATURES - len(NAMES)], 1, axis=0)
        np.save(folder / f"{side}.npy", np.column_stack([vectors, more]))


def main() -> None:
    folder, what, rows = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    names = tuple(f"feature {number}" for number in range(FEATURES))
    sides = [np.load(folder / f"{side}.npy", mmap_mode="r") for side in ("reference", "current")]
    reference, current = (np.ascontiguousarray(side[:rows]) for side in sides)
    started = time.process_time()
    if what == "monitor":
        windows = [as_window(side, seed) for seed, side in enumerate((reference, current))]
        statuses = Monitor(windows[0], names).judge(windows[1])
        answer = {concern: status.value for concern, status in statuses.items()}
    else:
        answer = {"flagged": sorted(run_preset(reference, current, names).columns)}
    facts = {
        "answer": answer,
        "cpu_seconds": time.process_time() - started,
        "peak_mb": _peak_mb(),
    }
    print(json.dumps(facts))


def _peak_mb() -> float:
    """Of this program alone: getrusage's maximum is inherited from the process that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def as_window(vectors: NDArray[np.float32], seed: int) -> Window:
    """With outcomes and daily counts, and users of its own."""
    small = Stream(seed, 2_000, returning=False).window()
    rng = np.random.default_rng(seed)
    scores = np.clip(rng.beta(1, 9, len(vectors)), 1e-3, 1)
    users = np.char.add(f"{seed} ", np.arange(len(vectors)).astype(str))
    labels = rng.random(len(vectors)) < scores
    return replace(
        small, users=users, vectors=vectors, rebuilt=vectors, scores=scores, labels=labels
    )


if __name__ == "__main__":
    main()
