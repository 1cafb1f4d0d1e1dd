"""Values that cannot be those of training: another unit, or missing where none was missing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill_monitoring.values import ValueFault, find_value_faults

Column = NDArray[np.float32]


def draw(kind: str, seed: int, users: int = 2_000) -> Column:
    rng = np.random.default_rng(seed)
    values = {
        "amounts": lambda: rng.lognormal(3, 1.5, users),
        "counts": lambda: rng.poisson(rng.gamma(0.5, 2, users)),
        "rare counts": lambda: rng.poisson(0.3, users) * (rng.random(users) < 0.3),
        "normal": lambda: rng.normal(0, 1, users),
        "codes": lambda: rng.zipf(1.5, users) % 1000,
        "pareto": lambda: rng.pareto(1, users),
    }
    return values[kind]().astype(np.float32)


def faults(before: Column, now: Column) -> list[ValueFault]:
    return find_value_faults(before[:, None], now[:, None], ["x"])


KINDS = ["amounts", "counts", "rare counts", "normal", "codes", "pareto"]


@pytest.mark.parametrize("kind", KINDS)
def test_two_samples_of_one_population_have_no_fault(kind: str) -> None:
    """A hundred windows, heavy tails or not, two hundred users or two thousand."""
    for seed in range(50):
        assert not faults(draw(kind, seed), draw(kind, seed + 1_000))
        assert not faults(draw(kind, seed, 200), draw(kind, seed + 1_000, 200))


@pytest.mark.parametrize(
    ("kind", "factor"),
    [
        *(
            (kind, factor)
            for kind in ("amounts", "counts", "rare counts")
            for factor in (100, 0.01)
        ),
        ("normal", 100),
    ],
)
def test_another_unit_is_an_alarm_in_both_directions(kind: str, factor: float) -> None:
    """Cents for euros and euros for cents; zeros have no unit, and signs leave no lower end."""
    (found,) = faults(draw(kind, 0), draw(kind, 1) * np.float32(factor))
    assert (found.kind, found.is_act) == ("out of range", True)
    assert found.factor == pytest.approx(factor, rel=0.4)


def test_one_outlier_and_a_good_month_are_no_other_unit() -> None:
    """A value of a billion, and everybody's amounts half as large again."""
    now = draw("amounts", 1) * np.float32(1.5)
    now[0] = 1e9
    assert not faults(draw("amounts", 0), now)


@pytest.mark.parametrize(("share", "is_act"), [(0.1, False), (0.4, True)])
def test_a_complete_feature_that_goes_missing_is_told(share: float, is_act: bool) -> None:
    """A tenth is worth a look, more than a fifth an alarm."""
    now = draw("normal", 1)
    now[: int(share * len(now))] = np.nan
    (found,) = faults(draw("normal", 0), now)
    assert (found.kind, found.is_act) == ("missing", is_act)


def test_a_feature_that_was_often_missing_may_be() -> None:
    """No event, no value: that share is the population's, and drift looks at it."""
    before, now = draw("normal", 0), draw("normal", 1)
    before[:600], now[:900] = np.nan, np.nan
    assert not faults(before, now)


def test_few_users_say_nothing() -> None:
    """Below the minimum no share is certain."""
    assert not faults(draw("normal", 0, 150), draw("normal", 1, 150) * np.float32(100))
