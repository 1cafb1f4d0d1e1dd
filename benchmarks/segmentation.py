"""Segments that are there are found, and where there are none, none are reported.

Protocol: users are simulated with and without kinds among them (benchmarks/segmentation_crowds.py)
and given to the choice that ships, with 2 to 8 segments allowed. Without kinds, right is to report
no stable segments. With kinds, right is to divide the users as they were planted: adjusted Rand
index of at least 0.9. Crowds made of events have a second period of the same users, in which the
same segments must be found. Shares carry their 95% Wilson interval.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from segmentation_crowds import (
    Crowd,
    Maker,
    active,
    alike,
    bow,
    buyers,
    correlated,
    heavy_tailed,
    long,
    noise,
    planted,
    rare,
    skewed,
    uniform,
)

from tidemill.objective.segmenting import Segments
from tidemill_pipelines.segmenting.choosing import choose
from tidemill_pipelines.segmenting.clustering import assign
from tidemill_pipelines.segmenting.partners import adjusted_rand

OUT = Path(__file__).parent.parent / "docs" / "benchmarks" / "segmentation.json"
RECOVERED = 0.9
LIMITS = Segments()


@dataclass(frozen=True)
class Case:
    """One kind of crowd."""

    name: str
    make: Maker
    users: int
    factors: int
    kinds: int = 0
    """0 where there are none."""


@dataclass(frozen=True)
class Result:
    """How often the answer was right."""

    name: str
    users: int
    factors: int
    kinds: int
    right: int
    of: int
    found: dict[str, int]
    """How often so many segments were reported; 0 stands for none."""


PROMISED = [
    Case("independent noise", noise, 400, 4),
    Case("uniform", uniform, 400, 4),
    Case("correlated blob", correlated, 400, 4),
    Case("light to heavy", long, 400, 4),
    Case("events, everybody alike, counts", alike, 400, 3),
    *(Case("normal crowds", planted(k), 400, 4, k) for k in (2, 3, 4, 6)),
    Case("events, kinds of buyers, counts", buyers(3), 400, 3, 3),
]
"""What has to be right in 95 of 100."""
OTHERS = [
    Case("light to heavy, skewed", skewed, 400, 4),
    Case("heavy tails", heavy_tailed, 400, 4),
    Case("bow", bow, 400, 4),
    Case("events, everybody alike, three measures each", alike, 400, 9),
    Case("events, light to heavy, three measures each", active, 400, 9),
    Case("events, rare, counts", rare, 400, 3),
    Case("events, rare, three measures each", rare, 400, 9),
    *(
        Case(name, make, users, factors)
        for users, factors in ((150, 3), (2_000, 6))
        for name, make in (("independent noise", noise), ("uniform", uniform))
    ),
    Case("normal crowds", planted(8), 800, 4, 8),
    Case("normal crowds, uneven", planted(4, uneven=True), 800, 4, 4),
    Case("normal crowds, 4 apart", planted(3, apart=4.0), 400, 4, 3),
    Case("normal crowds", planted(3), 150, 3, 3),
    *(Case("events, kinds of buyers, counts", buyers(k), 400, 3, k) for k in (2, 4)),
    *(Case("events, kinds of buyers, three measures each", buyers(k), 400, 9, k) for k in (2, 4)),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seeds", type=int, default=100, help="of what is promised")
    parser.add_argument("--others", type=int, default=25, help="seeds of the other crowds")
    options = parser.parse_args()
    started = time.process_time()
    results = []
    asked = [(case, options.seeds) for case in PROMISED]
    for case, seeds in [*asked, *((case, options.others) for case in OTHERS)]:
        results.append(run(case, seeds))
        print(line(results[-1]), flush=True)
        cost = f"numpy {version('numpy')}, {time.process_time() - started:.0f} CPU s"
        options.out.write_text(json.dumps([asdict(each) for each in results], indent=1))
        options.out.with_suffix(".md").write_text(
            page(results, options.seeds, options.others, cost)
        )


def run(case: Case, seeds: int) -> Result:
    found: dict[str, int] = {}
    right = 0
    for seed in range(seeds):
        rng = np.random.default_rng([seed, case.users, case.factors, case.kinds])
        is_right, count = judged(case.make(case.users, case.factors, rng), seed)
        right += is_right
        found[str(count)] = found.get(str(count), 0) + 1
    counts = dict(sorted(found.items()))
    return Result(case.name, case.users, case.factors, case.kinds, right, seeds, counts)


def judged(crowd: Crowd, seed: int) -> tuple[bool, int]:
    """Whether the answer is right, and how many segments it has."""
    choice = choose(crowd.points, crowd.older, LIMITS, seed)
    if not choice.is_real:
        return crowd.kinds is None, 0
    if crowd.kinds is None:
        return False, choice.chosen.k
    labels = assign(crowd.points, choice.chosen.centres)
    return adjusted_rand(labels, crowd.kinds) >= RECOVERED, choice.chosen.k


def page(results: list[Result], seeds: int, others: int, cost: str) -> str:
    head = "| crowd | users | factors | kinds | right | seeds | segments reported (times) |"
    rule = "| --- | --- | --- | --- | --- | --- | --- |"
    without = [line(each) for each in results if not each.kinds]
    with_kinds = [line(each) for each in results if each.kinds]
    return "\n".join(
        [
            "# Segments: real or not reported",
            "",
            f"Made by `python benchmarks/segmentation.py --seeds {seeds} --others {others}` "
            f"({cost}). Seeds count from 0. The rules: [segmentation.md](../segmentation.md).",
            "",
            (__doc__ or "").strip(),
            "",
            "## No kinds of users: right is to report none",
            "",
            *(head, rule, *without),
            "",
            f"## Kinds of users: right is to recover them (adjusted Rand index >= {RECOVERED})",
            "",
            *(head, rule, *with_kinds),
            "",
        ]
    )


def line(result: Result) -> str:
    found = ", ".join(f"{k} ({times})" for k, times in result.found.items())
    low, high = wilson(result.right, result.of)
    share = f"{result.right / result.of:.0%} ({low:.0%} to {high:.0%})"
    cells = [result.name, f"{result.users:,}", result.factors, result.kinds or "-", share]
    cells += [result.of, found]
    return f"| {' | '.join(map(str, cells))} |"


def wilson(right: int, of: int) -> tuple[float, float]:
    z = 1.96
    share = right / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


if __name__ == "__main__":
    main()
