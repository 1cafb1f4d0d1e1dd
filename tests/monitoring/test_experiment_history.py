"""What history promises: users as an experiment would have met them, and how they come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiment_log_kit import answer, day, happen, objective_of

from tidemill.errors import NotReadyError
from tidemill.home import Home
from tidemill_monitoring.experiments.connection import connected
from tidemill_monitoring.experiments.exposures import update_exposures
from tidemill_monitoring.experiments.history import LONGEST_DAYS, History, read_history
from tidemill_monitoring.experiments.metrics import Amount, Metric
from tidemill_monitoring.experiments.promised import promised_size

BUYS = Metric("buys", "conversion", Amount("order", {}, None), None, timedelta(days=2), None)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def history(home: Home) -> Callable[..., History]:
    def run(at: float) -> History:
        update_exposures(home, "shop")
        with connected(home, "shop") as con:
            return read_history(con, [BUYS], day(at))

    return run


def visits(users_a_day: int, days: int, buying: int = 0) -> list[dict[str, Any]]:
    """New users each day, of whom so many order an hour after they came."""
    found = []
    for number in range(users_a_day * days):
        at, place = number / users_a_day, number % users_a_day
        found.append({"user": f"u{number}", "name": "visit", "day": at})
        if place < buying:
            found.append({"user": f"u{number}", "day": at + 1 / 24})
    return found


def test_what_brought_a_user_is_no_outcome(home, history) -> None:
    """An order that is the first sign of somebody comes before any answer could."""
    happen(home, *visits(10, 20, buying=3), *({"user": f"o{n}", "day": n / 10} for n in range(100)))
    (baseline,) = history(20).baselines
    assert baseline.mean == pytest.approx(51 / 270, abs=0.01)


def test_users_come_as_they_came(home, history) -> None:
    """And later as in the newer half; an outcome is known when its window has closed."""
    happen(home, *visits(10, 20))
    found = history(20)
    assert found.days == 17
    assert np.diff(found.arrivals, prepend=0) == pytest.approx(np.full(LONGEST_DAYS, 10))
    assert found.observed(BUYS)[:4].tolist() == [0, 0, 10, 20]


def test_who_was_answered_is_the_traffic(home, history) -> None:
    """A fifth of the visitors were; an experiment will meet no more of them."""
    happen(home, *visits(50, 20))
    answer(home, *((f"u{n}", None, n / 50 + 0.01) for n in range(0, 1000, 5)), experiment=None)
    found = history(20)
    assert (found.is_answered, found.arrivals[9]) == (True, 100)


def test_a_few_answers_are_no_traffic(home, history) -> None:
    """Someone trying the endpoint is not the present traffic."""
    happen(home, *visits(50, 20))
    answer(home, ("u1", None, 2), ("u2", None, 12), experiment=None)
    assert not history(20).is_answered


def test_a_short_history_is_refused(home, history) -> None:
    """A week has to lie before the last window."""
    happen(home, *visits(10, 8))
    with pytest.raises(NotReadyError, match="reaches back 5 days"):
        history(8)


def test_a_size_beyond_reach_has_no_end(home) -> None:
    """And the reason says so."""
    happen(home, *visits(10, 20, buying=3))
    with connected(home, "shop") as con:
        size = promised_size(con, objective_of().spec.experiment, BUYS, day(20))
    assert size.days is None
    assert "not noticed within a year" in size.reason
