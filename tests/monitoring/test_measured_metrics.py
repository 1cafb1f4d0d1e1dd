"""What exposed users did within their windows, in sums that every estimator needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from experiment_log_kit import START, day, happen

from tidemill.home import Home
from tidemill_features.sql import DAY_US
from tidemill_monitoring.experiments.connection import connected
from tidemill_monitoring.experiments.exposed import us_of
from tidemill_monitoring.experiments.measured import Measured, Period, measure
from tidemill_monitoring.experiments.metrics import Amount, Metric
from tidemill_monitoring.experiments.moments import Moments

ORDER, VISIT = Amount("order", {}, None), Amount("visit", {}, None)
SPENT = Amount("order", {}, "value")
TWO_DAYS = timedelta(days=2)
CONVERSION = Metric("buys", "conversion", ORDER, None, TWO_DAYS, None)
COUNT = Metric("orders", "count", ORDER, None, TWO_DAYS, None)
REVENUE = Metric("revenue", "sum", SPENT, None, TWO_DAYS, None)
CAPPED = Metric("capped", "sum", SPENT, None, TWO_DAYS, 0.9)
RATIO = Metric("a visit", "ratio", SPENT, VISIT, TWO_DAYS, 0.9)

Units = list[tuple[str, int, float]]
"""(user, arm, day of the exposure)"""


@pytest.fixture
def measured(tmp_path: Path) -> Callable[..., Measured]:
    """`measured(metric, units, until=9.0, arms=2)` of the events of `happen(home, ...)`."""

    def run(metric: Metric, units: Units, until: float = 9.0, arms: int = 2) -> Measured:
        columns = {
            "unit": pa.array([unit for unit, _, _ in units]),
            "arm": pa.array([arm for _, arm, _ in units]),
            "exposed_us": pa.array([us_of(day(at)) for _, _, at in units]),
        }
        with connected(Home(tmp_path), "shop") as con:
            con.register("given", pa.table(columns))
            con.execute("CREATE TEMP TABLE exposed AS FROM given")
            return measure(con, metric, arms, Period(START, day(until)))

    return run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def total(found: Measured, arm: int = 0) -> list[float]:
    """The metric's own sum, and that of before."""
    half = found.metric.width // 2
    sums = found.days.sums[:, arm].sum(axis=0)
    return [float(sums[0]), float(sums[half])]


def test_the_window_begins_with_the_answer_and_ends_before_its_length(home, measured) -> None:
    """What happens at the very instant of the answer comes after it; the past has four weeks."""
    edges = (1.0, 2.999, 3.0, 0.999, -27.0, -27.001)
    happen(home, *({"user": "u1", "day": at} for at in edges))
    assert total(measured(COUNT, [("u1", 0, 1.0)])) == [2, 2]


def test_a_unit_counts_on_the_day_its_window_closes(home, measured) -> None:
    """At the end of that day everything it does is known; a window to midnight is over with it."""
    happen(home, {"user": "u1", "day": 1.5})
    units = [("u1", 0, 1.5), ("u2", 0, 1.0), ("u3", 1, 7.5)]
    found = measured(COUNT, units)
    assert found.days.units[:, 0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0]
    assert found.days.units[:, 1].sum() == 0


def test_a_conversion_counts_once(home, measured) -> None:
    """Two orders are one user who orders; of the past's fourteen windows each may have one."""
    days = (1.1, 1.2, *np.arange(-19, 1))
    happen(home, *({"user": "u1", "day": float(at)} for at in days))
    assert total(measured(CONVERSION, [("u1", 0, 1.0)])) == [1, 14]


def test_a_value_that_is_none_adds_nothing(home, measured) -> None:
    """Missing and not a number: neither poisons the sum."""
    values = (2.5, None, float("nan"), float("inf"))
    happen(home, *({"user": "u1", "day": 1.1, "value": value} for value in values))
    assert total(measured(REVENUE, [("u1", 0, 1.0)])) == [2.5, 0]


def test_conditions_hold_for_the_events_property_and_its_sum(home, measured) -> None:
    """`where` narrows, `property.x` adds up."""
    amount = Amount("order", {"property.kind": "gift"}, "property.points")
    kinds = ('{"kind":"gift","points":3}', '{"kind":"own","points":5}', '{"kind":"gift"}')
    happen(home, *({"user": "u1", "day": 1.1, "properties": each} for each in kinds))
    assert total(measured(Metric("p", "sum", amount, None, TWO_DAYS, None), [("u1", 0, 1)])) == [
        3,
        0,
    ]


def test_a_late_event_counts_once_it_is_there(home, measured) -> None:
    """On its own day, but not before it was received."""
    happen(home, {"user": "u1", "day": 1.1, "late": 5})
    assert total(measured(COUNT, [("u1", 0, 1)], until=6)) == [0, 0]
    assert total(measured(COUNT, [("u1", 0, 1)], until=7)) == [1, 0]


def test_an_event_that_came_twice_counts_once(home, measured) -> None:
    """A client's second delivery has the same id."""
    happen(home, *({"user": "u1", "day": 1.1, "id": "same"} for _ in range(2)))
    assert total(measured(COUNT, [("u1", 0, 1)])) == [1, 0]


def test_the_cap_is_that_of_all_arms_and_higher_for_the_past(home, measured) -> None:
    """The ninth of ten orders, not the tenth, a hundred times as large; before, 14 windows'.
    Who orders nothing moves no cap."""
    spent = [*range(1, 10), 1000]
    happen(
        home,
        *({"user": f"u{n}", "day": 1.1, "value": value} for n, value in enumerate(spent)),
        {"user": "u0", "day": 0.5, "value": 5000},
        *({"user": f"idle{n}", "day": 0.5, "value": 1} for n in range(20)),
    )
    idle = [(f"idle{n}", 1, 1.0) for n in range(20)]
    found = measured(CAPPED, [*((f"u{n}", n % 2, 1.0) for n in range(10)), *idle])
    assert found.cap == 9
    assert total(found, arm=0) == [1 + 3 + 5 + 7 + 9, 14 * 9]
    assert total(found, arm=1) == [2 + 4 + 6 + 8 + 9, 20]


@pytest.mark.parametrize("metric", [CONVERSION, COUNT, REVENUE, CAPPED, RATIO])
def test_sums_are_those_of_a_plain_count(metric, home, measured) -> None:
    """Any log, each user counted by hand: the same moments for every arm and day."""
    rng = np.random.default_rng(3)
    units: Units = [
        (f"u{n}", int(arm), float(at))
        for n, (arm, at) in enumerate(zip(rng.integers(0, 3, 60), rng.random(60) * 8, strict=True))
    ]
    events = [
        {
            "user": f"u{rng.integers(0, 70)}",
            "day": float(rng.random() * 50 - 40),
            "name": str(rng.choice(["order", "visit"])),
            "value": round(float(rng.lognormal()), 4),
        }
        for _ in range(2000)
    ]
    happen(home, *events)
    found = measured(metric, units, arms=3)
    expected = by_hand(metric, units, events, found.cap)
    for name in vars(expected):
        assert getattr(found.days, name) == pytest.approx(getattr(expected, name)), name


def by_hand(
    metric: Metric, units: Units, events: list[dict[str, Any]], cap: float | None
) -> Moments:
    """[9, 3] moments, one user after the other."""
    cells: dict[tuple[int, int], list[list[float]]] = {}
    for user, arm, at in units:
        closes = (us_of(day(at)) + 2 * DAY_US - 1) // DAY_US - us_of(START) // DAY_US
        if closes < 9:
            mine = [event for event in events if event["user"] == user]
            cells.setdefault((closes, arm), []).append(row_of(metric, mine, at, cap))
    parts = [
        [Moments.of(np.array(cells.get((d, a), np.zeros((0, metric.width))))) for a in range(3)]
        for d in range(9)
    ]
    return Moments(
        *(
            np.array([[getattr(cell, n) for cell in row] for row in parts])
            for n in vars(parts[0][0])
        )
    )


def row_of(metric: Metric, mine: list[dict[str, Any]], at: float, cap: float | None) -> list[float]:
    def of(name: str, low: float, high: float) -> list[float]:
        return [e["value"] for e in mine if e["name"] == name and low <= e["day"] - at < high]

    row = []
    for low, high, windows in ((0, 2, 1), (-28, 0, 14)):
        spent = of("order", low, high)
        own = float(len(spent)) if metric.amount.value is None else sum(spent)
        own = min(own, windows * (1.0 if metric.is_once else cap or np.inf))
        row += [own, float(len(of("visit", low, high)))] if metric.is_ratio else [own]
    return row
