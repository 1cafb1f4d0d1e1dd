"""Daily looks: boundaries of known tables, errors kept, power kept."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill_monitoring.experiments.effects import Interval, fixed_horizon
from tidemill_monitoring.experiments.looks import (
    SequentialPlan,
    distinct_looks,
    is_ready,
    look_critical_values,
    look_p_values,
    narrowed,
)
from tidemill_monitoring.experiments.mixture import mixture_critical_values
from tidemill_monitoring.experiments.moments import Array, Moments
from tidemill_monitoring.experiments.spending import critical_values, crossing_probabilities

FIFTHS = [0.2, 0.4, 0.6, 0.8, 1.0]


def walks(count: int, looks: int, step: float, drift: float = 0.0) -> Array:
    """Standardised statistics [experiments, looks]; `drift` is the mean at the planned size."""
    steps = np.random.default_rng(7).normal(drift * np.sqrt(step), 1, (count, looks))
    return steps.cumsum(axis=1) / np.sqrt(np.arange(1, looks + 1))


def test_boundaries_are_those_of_lan_and_demets() -> None:
    """Their published table of the O'Brien-Fleming spending function at five looks."""
    published = [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]
    assert critical_values(FIFTHS, 0.05) == pytest.approx(published, abs=2e-4)


def test_crossing_probabilities_are_those_of_classical_designs() -> None:
    """Pocock's and O'Brien and Fleming's constants for five looks spend 5%."""
    pocock = crossing_probabilities(FIFTHS, np.full(5, 2.413), 0)
    classic = crossing_probabilities(FIFTHS, 2.040 / np.sqrt(FIFTHS), 0)
    assert pocock[-1] == pytest.approx(0.05, abs=1e-4)
    assert classic[-1] == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize("ends", [True, False])
def test_looking_daily_errs_at_most_as_declared(ends: bool) -> None:
    """Also when four weeks become twelve; naive looks err more than four times as often."""
    statistics, units = walks(20_000, 84, 1 / 28), np.arange(1, 85) * 100.0
    critical = look_critical_values(units, SequentialPlan(2800, 0.05, ends))
    assert (np.abs(statistics) >= critical).any(axis=1).mean() <= 0.05
    assert (np.abs(statistics[:, :28]) >= fixed_horizon(0.05)).any(axis=1).mean() > 0.2


def test_power_is_what_the_recursion_says() -> None:
    """To a point, for the very boundaries that are looked at."""
    units = np.arange(1, 15) / 14
    critical = look_critical_values(units, SequentialPlan(1.0))
    promised = crossing_probabilities(units.tolist(), critical, 2.9)[-1]
    found = (np.abs(walks(20_000, 14, 1 / 14, 2.9)) >= critical).any(axis=1).mean()
    assert found == pytest.approx(promised, abs=0.01)


def test_four_weeks_of_looks_cost_little() -> None:
    """At most a tenth of the users that a single look would need (2.8 becomes 2.94)."""
    units = np.arange(1, 29) / 28
    critical = look_critical_values(units, SequentialPlan(1.0))
    assert crossing_probabilities(units.tolist(), critical, 2.94)[-1] > 0.8


@pytest.mark.parametrize("ends", [True, False])
def test_a_p_value_says_what_the_boundary_says(ends: bool) -> None:
    """Below alpha exactly when some look so far has crossed, and never rising again."""
    units, plan = np.cumsum(np.linspace(50, 150, 20)), SequentialPlan(1500, 0.05, ends)
    critical = look_critical_values(units, plan)
    for statistics in walks(40, 20, 0.05, 3.0):
        p_values = look_p_values(statistics, units, plan)
        crossed = np.logical_or.accumulate(np.abs(statistics) >= critical)
        assert ((p_values <= 0.05 + 1e-12) == crossed).all()
        assert (np.diff(p_values) <= 0).all()


def test_p_values_are_uniform_or_larger_without_an_effect() -> None:
    """At any level, experiments whose p-value falls below it are no more than it says."""
    units, plan = np.arange(1, 11) * 100.0, SequentialPlan(1000)
    final = np.array([look_p_values(z, units, plan)[-1] for z in walks(1500, 10, 0.1)])
    for level in (0.01, 0.1, 0.3):
        assert (final <= level).mean() <= level + 2.6 * np.sqrt(level / 1500)


def test_more_users_than_planned_are_no_loophole() -> None:
    """Whatever the excess of the last look, all planned looks together spend nine tenths."""
    shares = [0.3, 0.7, 1.2]
    critical = critical_values(shares, 0.045)
    assert crossing_probabilities(shares, critical, 0)[-1] == pytest.approx(0.045, abs=1e-4)


def test_days_without_users_are_no_looks() -> None:
    """They neither spend alpha nor break the boundaries of the others."""
    plan = SequentialPlan(1000)
    quiet = look_critical_values(np.array([0.001, 400, 400, 400.5, 1000]), plan)
    assert quiet[[1, 4]] == pytest.approx(look_critical_values(np.array([400.0, 1000]), plan))


def test_only_looks_up_to_the_planned_size_are_planned() -> None:
    """The one that completes the plan is the last, however little it adds."""
    assert distinct_looks(np.array([0, 0.5, 0.5001, 0.9996, 1.0, 1.5])) == [1, 3, 4]


def test_a_holdout_is_looked_at_without_end() -> None:
    """Its boundary is narrowest, on the scale of the estimate, per user near the tuned size."""
    plan, units = SequentialPlan(1000, ends=False), np.array([10.0, 100, 1000, 10_000, 1e6])
    critical = look_critical_values(units, plan)
    assert critical == pytest.approx(mixture_critical_values(units, 1000, 0.05))
    assert critical.argmin() == 2
    assert critical[2] == pytest.approx(3.035, abs=0.01)


def test_looks_together_know_more_than_the_newest() -> None:
    """The intersection; where it is empty the effect moved, and the newest look counts."""
    lower, upper = np.array([-1.0, 0.2, -0.5, 2.0]), np.array([1.0, 0.9, 1.5, 3.0])
    found = narrowed(Interval(lower, upper))
    assert found.lower.tolist() == [-1.0, 0.2, 0.2, 2.0]
    assert found.upper.tolist() == [1.0, 0.9, 0.9, 3.0]


def test_a_handful_of_events_is_no_look() -> None:
    """Twenty units with a value in each arm, whatever the number of units."""
    few, enough = (
        Moments(np.float64(5000), np.float64(active), np.ones(1), np.ones((1, 1)), np.ones(()))
        for active in (19, 20)
    )
    assert is_ready(enough, enough)
    assert not is_ready(enough, few)
