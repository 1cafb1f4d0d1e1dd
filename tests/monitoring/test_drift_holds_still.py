"""Drift: planted changes are found by name, and nothing is found where nothing was planted."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill_monitoring.drift import MAXIMUM_USERS, ColumnDrift, Population, measure_drift

NAMES = [f"feature_{index}" for index in range(24)]
NORMAL, AMOUNT = 10, 20


def population(users: int, seed: int, prefix: str = "") -> Population:
    """Counts driven by one activity per user, normal values, and amounts that are often missing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(users, 24)).astype(np.float32)
    values[:, :8] = rng.poisson(rng.gamma(1, 1, (users, 1)) * np.linspace(0.1, 4, 8))
    values[:, 16:] = np.exp(values[:, 16:])
    values[:, 16:][rng.random((users, 8)) < 0.3] = np.nan
    return Population(np.asarray([f"{prefix}{user}" for user in range(users)]), values)


def drift_of(users: int, seed: int) -> list[ColumnDrift]:
    now = population(users, seed + 1000, "new")
    return measure_drift(population(users, seed), now, NAMES)


def drift_after(edit: str, users: int = 2000, seed: int = 0) -> ColumnDrift:
    """Largest drift after one edit of the current population."""
    now = population(users, seed + 1000)
    namespace = {"x": now.values, "np": np, "rng": np.random.default_rng(seed)}
    exec(edit, namespace)  # noqa: S102  # edits are the literals below
    return measure_drift(population(users, seed), now, NAMES)[0]


@pytest.mark.parametrize("users", [200, 2_000])
def test_two_samples_of_one_population_never_call_for_action(users: int) -> None:
    """Twenty windows without drift: no act, and at most two watches."""
    runs = [drift_of(users, seed) for seed in range(20)]
    assert not any(column.is_act for run in runs for column in run)
    assert sum(any(column.is_watch for column in run) for run in runs) <= 2


@pytest.mark.parametrize(
    ("edit", "column"),
    [
        (f"x[:, {NORMAL}] += 0.5", NORMAL),
        (f"x[:, {NORMAL}] *= 2", NORMAL),
        (f"x[:, {AMOUNT}] *= 100", AMOUNT),
        (f"x[rng.random(len(x)) < .15, {NORMAL}] = np.nan", NORMAL),
        ("x[:, 5] = 0", 5),
        (f"x[:, {NORMAL}] = np.nan", NORMAL),
    ],
    ids=["shifted", "doubled", "unit x100", "15% missing", "all zero", "all missing"],
)
def test_a_planted_change_is_found_and_named(edit: str, column: int) -> None:
    """The changed feature has the largest effect and calls for action."""
    found = drift_after(edit)
    assert found.name == NAMES[column]
    assert found.is_act


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_of_a_quarter_standard_deviation_is_worth_a_look(seed: int) -> None:
    """Small but real: watch, at 2,000 users."""
    found = drift_after(f"x[:, {NORMAL}] += 0.25", seed=seed)
    assert (found.name, found.is_watch) == (NAMES[NORMAL], True)


def test_the_effect_does_not_depend_on_the_number_of_users() -> None:
    """The same shift has the same size at 500 and at 20,000 users."""
    small = drift_after(f"x[:, {NORMAL}] += 0.5", users=500).effect
    large = drift_after(f"x[:, {NORMAL}] += 0.5", users=2 * MAXIMUM_USERS).effect
    assert small == pytest.approx(large, abs=0.05)


def test_a_tiny_shift_is_no_drift_however_many_users_there_are() -> None:
    """A difference that only a large sample can see is below the floor."""
    assert not drift_after(f"x[:, {NORMAL}] += 0.05", users=20_000).is_watch


def test_one_outlier_neither_hides_nor_makes_drift() -> None:
    """A single value of a million changes nothing."""
    assert not drift_after(f"x[0, {AMOUNT}] = 1e6").is_watch
    assert drift_after(f"x[0, {AMOUNT}] = 1e6; x[:, {AMOUNT}] *= 2").is_act


def test_an_empty_side_is_refused_with_its_size() -> None:
    """Drift of nobody is an error of the caller."""
    with pytest.raises(ValueError, match="200 and 0"):
        measure_drift(population(200, 0), population(0, 0), NAMES)
