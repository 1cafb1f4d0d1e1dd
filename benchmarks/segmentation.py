"""Segments that are there are found, and where there are none, none are reported.

Protocol: users are simulated with and without kinds among them (benchmarks/segmentation_crowds.py)
and given to the choice that ships, with 2 to 8 segments allowed. Without kinds, right is to report
no stable segments. With kinds, right is to divide the users as they were planted: adjusted Rand
index of at least 0.9. Kinds and crowds made of events have a second period of the same users, in
which the same segments must be found. Shares carry their 95% Wilson interval.
A run that is stopped early has fewer seeds of each crowd, as the tables say.

Normal crowds are planted with the two nearest kinds 5 standard deviations apart, in the direction
in which they are told apart best. Round ones are spread alike in all directions. Long ones are
three times as long as wide, slanted, and all alike or each in its own way. Uneven ones hold 5% of
the users or more. The Bayes rule knows how they were planted: its index is the ceiling of every
method.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
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
    rare,
    skewed,
    uniform,
)
from segmentation_kinds import planted
from segmentation_sample import SampleRow, sample_lines, sample_rows

from tidemill.objective.segmenting import Segments
from tidemill_pipelines.segmenting.choosing import choose
from tidemill_pipelines.segmenting.partners import adjusted_rand
from tidemill_pipelines.segmenting.stability import STABLE

OUT = Path(__file__).parent.parent / "docs" / "benchmarks" / "segmentation.json"
RECOVERED = 0.9
FIRST = 5_000
"""Smaller seeds were seen while the method was made."""
ROUNDS = 10
LIMITS = Segments()


@dataclass(frozen=True, eq=False)
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
    ceiling: float | None
    """Mean adjusted Rand index of the Bayes rule; None where it is not known."""
    lowest_ceiling: float | None
    found: dict[str, int]
    """How often so many segments were reported; 0 stands for none."""


ONE_CROWD = [
    Case("independent noise", noise, 400, 4),
    Case("correlated blob", correlated, 400, 4),
]
PROMISED = [
    *ONE_CROWD,
    Case("uniform", uniform, 400, 4),
    Case("light to heavy, skewed", skewed, 400, 4),
    Case("events, everybody alike, counts", alike, 400, 3),
    *(Case("round crowds", planted(k), 600, 4, k) for k in (2, 3, 4, 5)),
    Case("long crowds", planted(3, "long"), 600, 4, 3),
    Case("crowds of own shapes", planted(3, "own"), 600, 4, 3),
    Case("events, kinds of buyers, counts", buyers(3), 400, 3, 3),
]
"""What has to be right in 95 of 100."""
OTHERS = [
    Case("light to heavy", long, 400, 4),
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
    *(Case("long crowds", planted(k, "long"), 600, 4, k) for k in (2, 5)),
    *(Case("crowds of own shapes", planted(k, "own"), 600, 4, k) for k in (2, 5)),
    *(Case("round crowds, uneven", planted(k, uneven=True), 600, 4, k) for k in (2, 5)),
    *(Case("long crowds, uneven", planted(k, "long", uneven=True), 600, 4, k) for k in (2, 5)),
    *(
        Case("crowds of own shapes, uneven", planted(k, "own", uneven=True), 600, 4, k)
        for k in (2, 5)
    ),
    Case("round crowds", planted(8), 800, 4, 8),
    Case("round crowds", planted(3), 150, 3, 3),
    *(
        Case(f"round crowds, {apart:g} apart", planted(3, apart=apart), 600, 4, 3)
        for apart in (4.0, 4.5)
    ),
    Case("long crowds, uneven", planted(3, "long", uneven=True), 2_000, 6, 3),
    *(Case("events, kinds of buyers, counts", buyers(k), 400, 3, k) for k in (2, 4)),
    *(Case("events, kinds of buyers, three measures each", buyers(k), 400, 9, k) for k in (2, 4)),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seeds", type=int, default=100, help="of what is promised")
    parser.add_argument("--others", type=int, default=10, help="seeds of the other crowds")
    options = parser.parse_args()
    started = time.process_time()
    sample = sample_rows()
    tallies = {case: Tally() for case in [*PROMISED, *OTHERS]}
    for case, seed in in_turns(options.seeds, options.others):
        tallies[case].add(case, seed)
        if tallies[case].of % 4 == 0 or tallies[case].of in (options.seeds, options.others):
            results = [tally.result(case) for case, tally in tallies.items() if tally.of]
            facts = {"crowds": [asdict(each) for each in results]}
            facts["sample"] = [asdict(row) for row in sample]
            options.out.write_text(json.dumps(facts, indent=1))
            cost = f"numpy {version('numpy')}, {time.process_time() - started:.0f} CPU s"
            options.out.with_suffix(".md").write_text(page(results, sample, cost))


def in_turns(seeds: int, others: int) -> Iterator[tuple[Case, int]]:
    """The plainest crowds first, then the rest in rounds: whoever stops it has some of each."""
    asked = {case: others if case in OTHERS else seeds for case in [*PROMISED, *OTHERS]}
    for case in ONE_CROWD:
        yield from ((case, FIRST + at) for at in range(seeds))
    for turn in range(ROUNDS):
        for case, most in asked.items():
            if case not in ONE_CROWD:
                part = range(most * turn // ROUNDS, most * (turn + 1) // ROUNDS)
                yield from ((case, FIRST + at) for at in part)


@dataclass
class Tally:
    """Of one crowd, so far."""

    right: int = 0
    of: int = 0
    ceilings: list[float] = field(default_factory=list)
    found: Counter[int] = field(default_factory=Counter)

    def add(self, case: Case, seed: int) -> None:
        rng = np.random.default_rng([seed, case.users, case.factors, case.kinds])
        crowd = case.make(case.users, case.factors, rng)
        is_right, count = judged(crowd, seed)
        self.right += is_right
        self.of += 1
        self.found[count] += 1
        if crowd.kinds is not None and crowd.best is not None:
            self.ceilings.append(adjusted_rand(crowd.best, crowd.kinds))

    def result(self, case: Case) -> Result:
        known = self.ceilings
        return Result(
            case.name,
            case.users,
            case.factors,
            case.kinds,
            self.right,
            self.of,
            float(np.mean(known)) if known else None,
            min(known) if known else None,
            {str(k): times for k, times in sorted(self.found.items())},
        )


def judged(crowd: Crowd, seed: int) -> tuple[bool, int]:
    """Whether the answer is right, and how many segments it has."""
    choice = choose(crowd.points, crowd.older, LIMITS, seed)
    if not choice.is_real:
        return crowd.kinds is None, 0
    if crowd.kinds is None:
        return False, choice.chosen.k
    labels = choice.chosen.division.assign(crowd.points)
    return adjusted_rand(labels, crowd.kinds) >= RECOVERED, choice.chosen.k


def page(results: list[Result], sample: list[SampleRow], cost: str) -> str:
    head = "| crowd | users | factors | right | seeds | segments reported (times) |"
    rule = "| --- | --- | --- | --- | --- | --- |"
    kinds_head = (
        "| crowd | users | factors | kinds | right | seeds | segments reported (times) "
        "| Bayes rule: mean, lowest |"
    )
    return "\n".join(
        [
            "# Segments: real or not reported",
            "",
            f"Made by `make bench-segmentation` ({cost}). Seeds count from {FIRST:,}; "
            "smaller ones were seen while the method was made. The rules: "
            "[segmentation.md](../segmentation.md).",
            "",
            (__doc__ or "").strip(),
            "",
            "## No kinds of users: right is to report none",
            "",
            *(head, rule, *[line(each) for each in results if not each.kinds]),
            "",
            f"## Kinds of users: right is to recover them (adjusted Rand index >= {RECOVERED})",
            "",
            *(kinds_head, f"{rule} --- | --- |", *[line(each) for each in results if each.kinds]),
            "",
            "## The sample",
            "",
            "Reported is the largest number of segments with nothing against it. Then each has a",
            f"mean Jaccard index of at least {STABLE} over the bootstrap samples; where something",
            "else has settled it, that is not measured.",
            "",
            *sample_lines(sample),
            "",
        ]
    )


def line(result: Result) -> str:
    found = ", ".join(f"{k} ({times})" for k, times in result.found.items())
    low, high = wilson(result.right, result.of)
    share = f"{result.right / result.of:.0%} ({low:.0%} to {high:.0%})"
    cells = [result.name, f"{result.users:,}", result.factors]
    if not result.kinds:
        return f"| {' | '.join(map(str, [*cells, share, result.of, found]))} |"
    best = "-"
    if result.ceiling is not None:
        best = f"{result.ceiling:.3f}, {result.lowest_ceiling:.3f}"
    return f"| {' | '.join(map(str, [*cells, result.kinds, share, result.of, found, best]))} |"


def wilson(right: int, of: int) -> tuple[float, float]:
    z = 1.96
    share = right / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


if __name__ == "__main__":
    main()
