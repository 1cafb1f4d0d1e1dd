"""`python benchmarks/experiments.py`: do experiments err as seldom and notice as much as they say?

Protocol: `--experiments` experiments a row, units exposed day by day with quiet weekends and split
at random, looked at when each day ends, decided by the first look that crosses its boundary.
"Single look" and "naive" judge the same data by |z| > 1.96, at the planned end only and on any day.
The promise is the planner's, made from the population before anything is simulated. Coverage is
that of all days' intervals together, as whoever stops at will sees them. Everything is seeded.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from experiment_allocations import all_sample_ratios, bandits
from experiment_page import markdown
from experiment_streams import (
    Stream,
    arrivals,
    conversion,
    habit,
    ratio,
    revenue,
    simulate,
)
from numpy.typing import NDArray
from scipy.special import ndtri

from tidemill_monitoring.experiments.effects import Effect, Interval, fixed_horizon
from tidemill_monitoring.experiments.estimates import adjusted, estimate, past_correlation
from tidemill_monitoring.experiments.looks import (
    SequentialPlan,
    is_ready,
    look_critical_values,
)
from tidemill_monitoring.experiments.moments import Array
from tidemill_monitoring.experiments.planning import (
    POWER,
    Baseline,
    Comparison,
    ExperimentPlan,
    plan,
)
from tidemill_monitoring.experiments.spending import crossing_probabilities
from tidemill_monitoring.experiments.steadying import steadied

ROOT = Path(__file__).resolve().parents[1]
ALPHA = 0.05
DAYS = 28
LONGEST = 120


@dataclass(frozen=True)
class Setup:
    """A metric, its traffic, and three effects worth noticing."""

    name: str
    stream: Stream
    a_day: float
    lifts: tuple[float, ...] = ()
    is_ratio: bool = False
    uses_past: bool = False
    control_share: float = 0.5

    @property
    def comparison(self) -> Comparison:
        return Comparison(self.control_share, 1 - self.control_share, ALPHA)

    def baseline(self) -> Baseline:
        found = Baseline.of(self.stream(0).moments, self.is_ratio)
        return found if self.uses_past else replace(found, correlation=0)

    def true_effect(self, lift: float) -> tuple[float, float]:
        """Difference and relative lift, exactly."""
        base, value = (
            float(estimate(self.stream(x).moments, self.is_ratio).value) for x in (0, lift)
        )
        return value - base, value / base - 1


SETUPS = (
    Setup("conversion, 5%", conversion(0.05), 12_000, (0.1, 0.07, 0.05)),
    Setup("conversion, 0.5%", conversion(0.005), 12_000, (0.3, 0.2, 0.15)),
    Setup(
        "conversion, 5%, control of 5%",
        conversion(0.05),
        12_000,
        (0.2, 0.15, 0.1),
        control_share=0.05,
    ),
    Setup("events per user", habit(0.5, 0.6), 600, (0.2, 0.15, 0.1)),
    Setup("events per user, CUPED", habit(0.5, 0.6), 600, (0.2, 0.15, 0.1), uses_past=True),
    Setup("clicks per view", ratio(), 300, (0.15, 0.1, 0.07), is_ratio=True),
    Setup("revenue, sigma 2", revenue(0.05, 2.0, None), 3000),
    Setup("revenue, sigma 2, winsorised", revenue(0.05, 2.0, 0.99), 3000, (0.5, 0.35, 0.25)),
    Setup(
        "the same, control of 5%",
        revenue(0.05, 2.0, 0.99),
        9000,
        (0.45, 0.35, 0.25),
        control_share=0.05,
    ),
)


@dataclass(frozen=True)
class Seen:
    """Effects [experiments, looks] and which looks count."""

    effect: Effect
    ready: NDArray[np.bool_]
    units: Array
    """[looks] of both arms."""

    def crossed(self, critical: Array | float) -> NDArray[np.bool_]:
        """[experiments, looks]"""
        return (np.abs(self.effect.statistic) >= critical) & self.ready


def experiments(rng: np.random.Generator, setup: Setup, lift: float, days: int, count: int) -> Seen:
    """So many experiments of so many days."""
    total = arrivals(setup.a_day, days)
    treated = rng.binomial(total, 1 - setup.control_share, (count, days))
    arms = [
        simulate(rng, setup.stream(0), total - treated).cumulated(1),
        simulate(rng, setup.stream(lift), treated).cumulated(1),
    ]
    if setup.uses_past:
        found = adjusted(arms, setup.is_ratio)
    else:
        found = [estimate(arm, setup.is_ratio) for arm in arms]
    return Seen(Effect(*steadied(arms, found)), is_ready(*arms), np.cumsum(total) * 1.0)


def no_effect(rng: np.random.Generator, setup: Setup, count: int) -> dict[str, Any]:
    """Shares of A/A experiments that found something, also going on to three times the plan."""
    seen = experiments(rng, setup, 0.0, 3 * DAYS, count)
    design = SequentialPlan(float(seen.units[DAYS - 1]), ALPHA)
    found = seen.crossed(look_critical_values(seen.units, design))
    endless = look_critical_values(seen.units, SequentialPlan(design.planned_units, ALPHA, False))
    naive = seen.crossed(fixed_horizon(ALPHA))
    return {
        "metric": setup.name,
        "daily": float(found[:, :DAYS].any(axis=1).mean()),
        "going on": float(found.any(axis=1).mean()),
        "endless": float(seen.crossed(endless).any(axis=1).mean()),
        "single look": float(naive[:, DAYS - 1].mean()),
        "naive": float(naive[:, :DAYS].any(axis=1).mean()),
    }


def an_effect(rng: np.random.Generator, setup: Setup, lift: float, count: int) -> dict[str, Any]:
    """What was promised of a lift, and what came of it."""
    difference, true_lift = setup.true_effect(lift)
    traffic = np.cumsum(arrivals(setup.a_day, LONGEST)) * 1.0
    promised = plan(true_lift, setup.baseline(), setup.comparison, traffic)
    assert promised is not None, f"{setup.name} needs more than {LONGEST} days for {lift:.0%}"
    seen = experiments(rng, setup, lift, promised.days, count)
    critical = look_critical_values(seen.units, promised.sequential(setup.comparison))
    found = seen.crossed(critical)
    bounds = np.where(seen.ready, critical, np.inf)
    return {
        "metric": setup.name,
        "lift": true_lift,
        "days": promised.days,
        "units": promised.units,
        "promised": promised.power,
        "power": float(found.any(axis=1).mean()),
        "days until decided": _days_until_decided(found, promised),
        "coverage": _covered(seen.effect.difference_interval(bounds), difference),
        "coverage of lift": _covered(seen.effect.lift_interval(bounds), true_lift),
        "single look coverage": float(
            _inside(seen.effect.difference_interval(fixed_horizon(ALPHA)), difference)[:, -1].mean()
        ),
    }


def _days_until_decided(found: NDArray[np.bool_], promised: ExperimentPlan) -> float:
    first = np.where(found.any(axis=1), found.argmax(axis=1) + 1, promised.days)
    return float(first.mean())


def _inside(bounds: Interval, truth: float) -> NDArray[np.bool_]:
    return (bounds.lower <= truth) & (truth <= bounds.upper)


def _covered(bounds: Interval, truth: float) -> float:
    """Share of experiments whose every interval holds the truth."""
    return float(_inside(bounds, truth).all(axis=1).mean())


def price(looks: int) -> dict[str, Any]:
    """Users for a power of 80%, over those that a single look would need."""
    shares = np.arange(1, looks + 1) / looks
    single = fixed_horizon(ALPHA) + float(ndtri(POWER))
    found: dict[str, Any] = {"looks": looks}
    for name, ends in (("planned", True), ("endless", False)):
        critical = look_critical_values(shares, SequentialPlan(1.0, ALPHA, ends))
        drifts = np.linspace(single, 2 * single, 281)
        powers = [crossing_probabilities(shares.tolist(), critical, drift)[-1] for drift in drifts]
        found[name] = float((np.interp(POWER, powers, drifts) / single) ** 2)
    return found


def variance_left(rng: np.random.Generator, stream: Stream, count: int) -> dict[str, Any]:
    """Of the effect, after CUPED, between experiments; beside 1 - rho^2 of the population."""
    units = np.full((count, 1), 2000)
    arms = [simulate(rng, stream(0), units) for _ in range(2)]
    plain = Effect(*(estimate(arm) for arm in arms))
    better = Effect(*adjusted(arms))
    rho = float(past_correlation(stream(0).moments))
    return {
        "mean": float(stream(0).moments.means[0]),
        "rho": rho,
        "expected": 1 - rho**2,
        "between experiments": float(better.difference.var() / plain.difference.var()),
        "by standard errors": float((better.standard_error**2 / plain.standard_error**2).mean()),
    }


def measure(count: int, splits: int, bandits_run: int) -> dict[str, Any]:
    """All numbers of the page."""
    began, rng = time.process_time(), np.random.default_rng(20_260_101)
    facts: dict[str, Any] = {"experiments": count, "splits": splits, "bandits_run": bandits_run}
    facts["no_effect"] = [no_effect(rng, setup, count) for setup in SETUPS]
    facts["effects"] = [
        an_effect(rng, setup, lift, count) for setup in SETUPS for lift in setup.lifts
    ]
    facts["price"] = [price(looks) for looks in (7, 14, 28, 56)]
    facts["cuped"] = [
        variance_left(rng, habit(mean, rho), count) for mean in (0.3, 3) for rho in (0.3, 0.6, 0.9)
    ]
    facts["sample_ratio"] = all_sample_ratios(rng, splits)
    rates = ([0.05, 0.05, 0.05], [0.05, 0.06, 0.08])
    facts["bandits"] = [bandits(rng, np.array(found), bandits_run) for found in rates]
    facts["cpu_seconds"] = round(time.process_time() - began)
    facts["versions"] = {name: version(name) for name in ("tidemill", "numpy", "scipy")}
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--splits", type=int, default=1_000_000)
    parser.add_argument("--bandits", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    options = parser.parse_args()
    facts = measure(options.experiments, options.splits, options.bandits)
    (options.out / "experiments.json").write_text(json.dumps(facts, indent=2) + "\n")
    (options.out / "experiments.md").write_text(markdown(facts))
    print(markdown(facts))


if __name__ == "__main__":
    main()
