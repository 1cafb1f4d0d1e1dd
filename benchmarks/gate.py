"""The gate of retrainings on models whose true difference is known.

Protocol: labels of a 10% outcome; scores of champion and challenger are normal within the positives
and within the negatives, the positives' shifted so that the champion's true AUC is 0.85 and the
challenger's that plus the gain. Within a class the two are correlated as two real retrainings are:
the median of the pairs in retrained-pairs.json, made by benchmarks/retrained_pairs.py. Each
simulated retraining runs the comparison, the guard and the decision that ship. The simple rule is
taken as beaten; it is another comparison of the same kind. Shares carry their 95% Wilson interval.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import NormalDist, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import PairedDifference, paired_bootstrap
from tidemill_pipelines.gate import LEVEL, Contest, decide
from tidemill_pipelines.guarding import Judged, Mask, slices_of

ROOT = Path(__file__).parent.parent
PAIRS = ROOT / "docs" / "benchmarks" / "retrained-pairs.json"
BEATEN = PairedDifference(0.1, 0.08, 0.12)
AUC = 0.85
BASE_RATE = 0.1
USERS = (500, 1_000, 2_000, 5_000, 10_000)
GAINS = (-0.02, 0.0, 0.005, 0.01, 0.02)
CORRELATIONS = (0.8, 0.9, 0.95, 0.99)
BASE_RATES = (0.01, 0.03, 0.3)
LATER = (4, 12, 26)
"""How manieth challenger of its champion."""
WEEKS, BLOCKS, WEEKLY_USERS = 26, 4, 2_000
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What a simulated retraining is drawn from."""

    alike: float
    users: int = 5_000
    gain: float = 0.0
    base_rate: float = BASE_RATE

    def rng(self, seed: int) -> np.random.Generator:
        """Its own for each case, but for the gain: curves over gains are of the same users."""
        thousandths = [round(1_000 * share) for share in (self.alike, self.base_rate)]
        return np.random.default_rng([seed, self.users, *thousandths])


@dataclass(frozen=True)
class Window:
    """Labels and scores of one test window."""

    labels: Mask
    champion: Numbers
    challenger: Numbers

    @property
    def names(self) -> NDArray[np.str_]:
        return np.arange(len(self.labels)).astype(str)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks" / "gate.json")
    parser.add_argument("--retrainings", type=int, default=200, help="per case of the promise")
    parser.add_argument("--curve", type=int, default=100, help="retrainings per point of a curve")
    parser.add_argument("--years", type=int, default=100, help="half-years of weekly challengers")
    options = parser.parse_args()
    pairs = json.loads(PAIRS.read_text())["pairs"]
    alike = round(median(pair["alike"] for pair in pairs), 3)
    started = time.process_time()
    report = {
        "protocol": __doc__,
        "options": {name: getattr(options, name) for name in ("retrainings", "curve", "years")},
        "versions": {"numpy": version("numpy"), "tidemill": version("tidemill")},
        "alike": alike,
        "pairs": pairs,
        "promise": [promoted(World(alike, gain=g), options.retrainings) for g in (0, -0.02, 0.02)],
        "curve": [promoted(World(alike, n, g), options.curve) for g in GAINS for n in USERS],
        "correlations": [
            promoted(World(rho, gain=g), options.curve) for rho in CORRELATIONS for g in (0, 0.02)
        ],
        "base_rates": [
            promoted(World(alike, gain=g, base_rate=rate), options.curve)
            for rate in BASE_RATES
            for g in (0, 0.02)
        ],
        "later": [
            promoted(World(rho, gain=0.02), options.curve, earlier=nth - 1)
            for rho in (alike, 0.9)
            for nth in LATER
        ],
        "guard": guard(alike, options.curve),
        "weekly": weekly(alike, options.years),
    }
    report["cpu_seconds"] = round(time.process_time() - started)
    options.out.write_text(json.dumps(report, indent=1) + os.linesep)
    page = markdown(report)
    options.out.with_suffix(".md").write_text(page)
    print(page)


def promoted(world: World, count: int, earlier: int = 0) -> dict[str, Any]:
    """How many of `count` simulated challengers the gate lets go live."""
    passed = 0
    for seed in range(count):
        difference = compared(drawn(world.rng(seed), world), seed)
        passed += decide(BEATEN, Contest(difference, earlier)).promote
    found = {**vars(world), "nth": earlier + 1, "promoted": passed, "of": count}
    print(found, flush=True)
    return found


def drawn(rng: np.random.Generator, world: World) -> Window:
    labels = rng.random(world.users) < world.base_rate
    common, *own = rng.normal(size=(3, world.users))
    champion, challenger = (
        shift(auc) * labels + math.sqrt(world.alike) * common + math.sqrt(1 - world.alike) * noise
        for auc, noise in zip((AUC, AUC + world.gain), own, strict=True)
    )
    return Window(labels, champion, challenger)


def shift(auc: float) -> float:
    """By how many standard deviations positives score higher."""
    return math.sqrt(2) * NormalDist().inv_cdf(auc)


def compared(window: Window, seed: int) -> PairedDifference:
    return paired_bootstrap(
        window.labels, window.challenger, window.champion, window.names, seed=seed
    )


def guard(alike: float, count: int) -> list[dict[str, Any]]:
    """Refusals because of slices: five of a fifth of 5,000 users each, all +0.02 or one of them
    changed instead."""
    return [
        {"first_slice": change, "refused": sum(refused(alike, change, s) for s in range(count))}
        | {"of": count}
        for change in (0.02, 0.0, -0.02, -0.05, -0.1)
    ]


def refused(alike: float, change: float, seed: int) -> bool:
    rng = np.random.default_rng(seed)
    parts = [drawn(rng, World(alike, 1_000, gain)) for gain in (change, *([0.02] * 4))]
    window = Window(
        *(np.concatenate(c) for c in zip(*(vars(p).values() for p in parts), strict=True))
    )
    values = np.repeat(["a", "b", "c", "d", "e"], 1_000).tolist()

    def compare(rows: Mask) -> PairedDifference:
        part = Window(window.labels[rows], window.champion[rows], window.challenger[rows])
        return compared(part, seed)

    judged = Judged(window.names.tolist(), 0, window.labels, compare)
    slices = slices_of("property.part", values, judged)
    contest = Contest(PairedDifference(0.1, 0.09, 0.11), guard=["property.part"], slices=slices)
    return not decide(BEATEN, contest).promote


def weekly(alike: float, years: int) -> list[dict[str, Any]]:
    """Half-years in which at least one of 26 equal challengers passes, by the rule they must pass.

    Test windows of four weeks, a week apart, share three weeks of users with the next.
    """
    rules = {
        "5% each": lambda found, _: found.at_least(0.05) > 0,
        "2.5% each": lambda found, _: found.at_least(LEVEL) > 0,
        "2.5% / k for the k-th (ships)": lambda found, k: found.at_least(LEVEL / k) > 0,
        "2.5% / k and a margin of 0.002": lambda found, k: found.at_least(LEVEL / k) > 0.002,
    }
    fooled = dict.fromkeys(rules, 0)
    for seed in range(years):
        found = half_year(np.random.default_rng(seed), alike)
        for name, passes in rules.items():
            fooled[name] += any(passes(each, k) for k, each in enumerate(found, 1))
    return [{"rule": name, "half_years": n, "of": years} for name, n in fooled.items()]


def half_year(rng: np.random.Generator, alike: float) -> list[PairedDifference]:
    """Each week's challenger over the same champion, all equally good."""
    block = WEEKLY_USERS // BLOCKS
    users = block * (WEEKS + BLOCKS - 1)
    labels = rng.random(users) < BASE_RATE
    common, own = rng.normal(size=(2, users))
    truth = shift(AUC) * labels + math.sqrt(alike) * common
    champion = truth + math.sqrt(1 - alike) * own
    found = []
    for week in range(WEEKS):
        seen = slice(week * block, (week + BLOCKS) * block)
        challenger = truth[seen] + math.sqrt(1 - alike) * rng.normal(size=WEEKLY_USERS)
        found.append(compared(Window(labels[seen], champion[seen], challenger), week))
    return found


def share(hits: int, of: int) -> str:
    """`12% (7 to 20)`: Wilson's interval."""
    z, p = 1.96, hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return f"{p:.1%} ({max(0, middle - half):.0%} to {min(1, middle + half):.0%})"


def markdown(report: dict[str, Any]) -> str:
    return "\n".join(
        [
            "# The gate: who is promoted",
            "",
            "Made by `python benchmarks/gate.py` with "
            + ", ".join(f"`--{name} {value}`" for name, value in report["options"].items())
            + f" (numpy {report['versions']['numpy']}, {report['cpu_seconds']:,} CPU s). "
            "Seeds count from 0. The rules are in [gate.md](../gate.md).",
            "",
            *report["protocol"].strip().splitlines(),
            "",
            *promise_table(report),
            *curve_table(report),
            *pairs_table(report),
            *sensitivity_tables(report),
            *guard_table(report),
            *weekly_table(report),
        ]
    )


def promise_table(report: dict[str, Any]) -> list[str]:
    asked = {0: "at most 5%", -0.02: "never", 0.02: "at least 80%"}
    rows = [
        [f"{each['gain']:+.3f}", asked[each["gain"]], share(each["promoted"], each["of"])]
        for each in report["promise"]
    ]
    return table("## 5,000 users", ["true gain in AUC", "asked for", "promoted"], rows)


def curve_table(report: dict[str, Any]) -> list[str]:
    found = {(each["gain"], each["users"]): each for each in report["curve"]}
    rows = [
        [f"{gain:+.3f}"]
        + [f"{found[gain, n]['promoted'] / found[gain, n]['of']:.0%}" for n in USERS]
        for gain in GAINS
    ]
    title = "## Promoted, by true gain and users in the test window"
    return table(title, ["gain", *(f"{n:,} users" for n in USERS)], rows)


def pairs_table(report: dict[str, Any]) -> list[str]:
    rows = [
        [
            pair["objective"],
            str(pair["days_apart"]),
            f"{pair['users']:,} ({pair['positives']:,})",
            f"{pair['auc_champion']:.4f}",
            f"{pair['auc_challenger']:.4f}",
            f"{pair['interval'][0]:+.4f} to {pair['interval'][1]:+.4f}",
            f"{pair['alike']:.3f}",
        ]
        for pair in report["pairs"]
    ]
    head = ["objective", "days apart", "users (positives)", "champion", "challenger"]
    head += ["difference, 90%", "correlation"]
    return table("## Real retrainings of the sample", head, rows)


def sensitivity_tables(report: dict[str, Any]) -> list[str]:
    correlations = [
        [f"{each['alike']:.3f}", f"{each['gain']:+.3f}", share(each["promoted"], each["of"])]
        for each in report["correlations"]
    ]
    rates = [
        [f"{each['base_rate']:.0%}", f"{each['gain']:+.3f}", share(each["promoted"], each["of"])]
        for each in report["base_rates"]
    ]
    later = [
        [str(each["nth"]), f"{each['alike']:.3f}", share(each["promoted"], each["of"])]
        for each in report["later"]
    ]
    return [
        *table("## Less alike (5,000 users)", ["correlation", "gain", "promoted"], correlations),
        *table(
            "## Rarer and commoner outcomes (5,000 users)", ["base rate", "gain", "promoted"], rates
        ),
        *table(
            "## A challenger 0.02 better that comes late (5,000 users)",
            ["the k-th of its champion", "correlation", "promoted"],
            later,
        ),
    ]


def guard_table(report: dict[str, Any]) -> list[str]:
    rows = [
        [f"{each['first_slice']:+.2f}", share(each["refused"], each["of"])]
        for each in report["guard"]
    ]
    title = "## Refused by the guard: five slices of 1,000 users, four of them 0.02 better"
    return table(title, ["true gain of the fifth", "refused"], rows)


def weekly_table(report: dict[str, Any]) -> list[str]:
    rows = [[each["rule"], share(each["half_years"], each["of"])] for each in report["weekly"]]
    title = f"## Half-years of 26 weekly challengers, all equal ({WEEKLY_USERS:,} users a window)"
    return table(title, ["a challenger passes at", "at least one promoted"], rows)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return [title, "", *lines, ""]


if __name__ == "__main__":
    main()
