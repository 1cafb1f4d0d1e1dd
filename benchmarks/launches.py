"""`python benchmarks/launches.py`: do experiments let the right challengers go live?

Protocol: a champion keeps 80% of the users and a challenger gets 20%. Users arrive day by day with
quiet weekends and are split at random. The size is planned beforehand, for a power of 85% at the
smallest effect that matters. Each day's end is judged by the sample ratio, the primary metric and
a guardrail (a conversion of 30% that may lose 5% at most), and
`tidemill_monitoring.experiments.verdict.judge` says what it says in a real launch: promote, roll
back or go on. Everything is seeded.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from experiment_page import table
from experiment_streams import Stream, arrivals, conversion, habit, revenue, simulate
from numpy.typing import NDArray

from tidemill_monitoring.experiments.effects import Effect, Interval
from tidemill_monitoring.experiments.estimates import ArmEstimate
from tidemill_monitoring.experiments.guardrails import guard
from tidemill_monitoring.experiments.moments import Moments
from tidemill_monitoring.experiments.planning import Baseline, Comparison, ExperimentPlan, plan
from tidemill_monitoring.experiments.readings import Reading, read
from tidemill_monitoring.experiments.sample_ratio import mismatches
from tidemill_monitoring.experiments.verdict import LAUNCH_POWER, Answer, Verdict, judge

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 120
CONTROL, CHALLENGER = 0.8, 0.2
COMPARISON = Comparison(CONTROL, CHALLENGER, power=LAUNCH_POWER)
GUARDED, MARGIN = conversion(0.3), 0.05


@dataclass(frozen=True)
class Setup:
    """What a launch is decided by."""

    name: str
    stream: Stream
    a_day: float
    smallest: float
    """The relative lift that it is planned to notice."""
    uses_past: bool = False

    def plan(self) -> ExperimentPlan:
        baseline = Baseline.of(self.stream(0).moments)
        if not self.uses_past:
            baseline = replace(baseline, correlation=0)
        traffic = np.cumsum(arrivals(self.a_day, LONGEST)) * 1.0
        found = plan(self.smallest, baseline, COMPARISON, traffic)
        assert found is not None, f"{self.name} needs more than {LONGEST} days"
        return found


@dataclass(frozen=True)
class Truth:
    """What the challenger is really like."""

    name: str
    effect: float = 0.0
    """On the primary metric, in smallest effects."""
    guarded: float = 0.0
    """Relative lift of the guardrail."""
    lost: float = 0.0
    """Share of the challenger's users that are never seen."""


SETUPS = (
    Setup("conversion, 5%", conversion(0.05), 5_000, 0.1),
    Setup("events per user, CUPED", habit(0.5, 0.6), 700, 0.12, uses_past=True),
    Setup("revenue, sigma 2, winsorised", revenue(0.05, 2.0, 0.99), 4000, 0.4),
)
TRUTHS = (
    Truth("worse by the smallest effect", -1),
    Truth("worse by half of it", -0.5),
    Truth("equal"),
    Truth("better by half of it", 0.5),
    Truth("better by the smallest effect", 1),
    Truth("better by one and a half", 1.5),
    Truth("better, guardrail 10% lower", 1, guarded=-0.1),
    Truth("equal, 5% of its users lost", lost=0.05),
)


@dataclass(frozen=True)
class Launched:
    """Many launches: sums up to each day of each [launches, days], control first."""

    primary: tuple[Moments, Moments]
    guarded: tuple[Moments, Moments]
    alarms: NDArray[np.bool_]
    """Whether the sample ratio has been found broken by then."""


def launch(rng: np.random.Generator, setup: Setup, truth: Truth, days: int, count: int) -> Launched:
    """So many launches of the same challenger."""
    drawn = rng.binomial(arrivals(setup.a_day, days), CHALLENGER, (count, days))
    control = arrivals(setup.a_day, days) - drawn
    units = (control, rng.binomial(drawn, 1 - truth.lost))

    def arms(stream: Stream, lift: float) -> tuple[Moments, Moments]:
        lifts = (0.0, lift)
        control, treated = (
            simulate(rng, stream(lift), seen).cumulated(1)
            for lift, seen in zip(lifts, units, strict=True)
        )
        return control, treated

    counts = np.stack(units, axis=-1).cumsum(axis=1) * 1.0
    planned = arrivals(setup.a_day, days).sum()
    alarms = [mismatches(one, np.array([CONTROL, CHALLENGER]), planned) for one in counts]
    return Launched(
        arms(setup.stream, truth.effect * setup.smallest),
        arms(GUARDED, truth.guarded),
        np.logical_or.accumulate(alarms, axis=1),
    )


def settle(seen: Launched, at: int, setup: Setup, planned: ExperimentPlan) -> tuple[Verdict, int]:
    """The verdict that ends launch `at`, and the day."""
    design = planned.sequential(COMPARISON)
    primary = read(_one(seen.primary, at), [design], uses_past=setup.uses_past)[0]
    guarded = read(_one(seen.guarded, at), [design])[0]
    units = (seen.primary[0].units + seen.primary[1].units)[at]
    for day in range(planned.days):
        lift = until(guarded, day).lift
        known = Interval(*(np.asarray(bound[-1]) for bound in (lift.lower, lift.upper)))
        verdict = judge(
            until(primary, day),
            {"guarded": guard(known, MARGIN)},
            # What is lost is not made up for: the plan is over on its day.
            planned.units if day == planned.days - 1 else units[day],
            is_mismatch=bool(seen.alarms[at, day]),
        )
        if verdict.is_final:
            return verdict, day + 1
    raise AssertionError("a planned launch ends at its planned size")


def until(reading: Reading, day: int) -> Reading:
    """The reading as it was at the end of a day: looks know nothing of later ones."""
    looks = reading.days <= day
    arms = (reading.effect.control, reading.effect.treatment)
    cut = (ArmEstimate(arm.value[looks], arm.variance[looks], arm.units[looks]) for arm in arms)
    bounds = (reading.difference, reading.lift)
    difference, lift = (Interval(each.lower[looks], each.upper[looks]) for each in bounds)
    return Reading(
        reading.plan,
        reading.days[looks],
        Effect(*cut),
        reading.critical[looks],
        reading.p_values[looks],
        difference,
        lift,
    )


def _one(arms: tuple[Moments, Moments], launch: int) -> list[Moments]:
    return [Moments(*(each[launch] for each in vars(arm).values())) for arm in arms]


def row(rng: np.random.Generator, setup: Setup, truth: Truth, count: int) -> dict[str, Any]:
    """What became of `count` launches."""
    planned = setup.plan()
    seen = launch(rng, setup, truth, planned.days, count)
    ends = [settle(seen, each, setup, planned) for each in range(count)]
    answers = Counter(verdict.answer for verdict, _ in ends)
    return {
        "metric": setup.name,
        "truth": truth.name,
        "lift": truth.effect * setup.smallest,
        "promoted": sum(verdict.step == "promote" for verdict, _ in ends) / count,
        **{answer.value: answers[answer] / count for answer in Answer},
        "days": float(np.mean([day for _, day in ends])),
        "planned": planned.days,
    }


def rows(count: int) -> Iterator[dict[str, Any]]:
    for number, setup in enumerate(SETUPS):
        for other, truth in enumerate(TRUTHS):
            yield row(np.random.default_rng([20_260_102, number, other]), setup, truth, count)


COLUMNS = {
    "metric": ("metric", ""),
    "truth": ("the challenger is", ""),
    "lift": ("lift", "+.0%"),
    "promoted": ("promoted", ".1%"),
    Answer.WORSE.value: ("found worse", ".1%"),
    Answer.HARMFUL.value: ("found harmful", ".1%"),
    Answer.NO_DIFFERENCE.value: ("no difference", ".1%"),
    Answer.CANNOT_SAY.value: ("sample ratio", ".1%"),
    "days": ("days", ".1f"),
    "planned": ("planned", ""),
}


def markdown(facts: dict[str, Any]) -> str:
    """The page."""
    packages = ", ".join(f"{name} {found}" for name, found in facts["versions"].items())
    return (
        f"## What became of {facts['launches']:,} launches each\n\n"
        f"{table(facts['rows'], COLUMNS)}\n\n"
        f"Champion {CONTROL:.0%}, challenger {CHALLENGER:.0%} of the users; alpha "
        f"{COMPARISON.alpha:.0%}, planned for a power of {COMPARISON.power:.0%}. "
        f"{facts['cpu_seconds']} s of CPU on {os.cpu_count()} processors, "
        f"Python {sys.version.split()[0]}, {packages}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    options = parser.parse_args()
    began = time.process_time()
    facts: dict[str, Any] = {"launches": options.launches, "rows": list(rows(options.launches))}
    facts["cpu_seconds"] = round(time.process_time() - began)
    facts["versions"] = {name: version(name) for name in ("tidemill", "numpy", "scipy")}
    (options.out / "launches.json").write_text(json.dumps(facts, indent=2) + "\n")
    (options.out / "launches.md").write_text(markdown(facts))
    print(markdown(facts))


if __name__ == "__main__":
    main()
