"""Who was exposed to which arm, and everybody who is left out and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from experiment_log_kit import answer, day, happen, orders, started

from tidemill.experiments.running import ExperimentBook
from tidemill.home import Home
from tidemill_monitoring.experiments.connection import connected
from tidemill_monitoring.experiments.exposed import Asked, ExposureCounts, find_exposed
from tidemill_monitoring.experiments.exposures import update_exposures

Found = tuple[ExposureCounts, list[tuple[Any, ...]]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def exposed(home: Home) -> Callable[..., Found]:
    """`exposed(until=9.0, ended=None)`: what was counted, and (unit, arm) of who is in one arm."""

    def run(until: float = 9.0, ended: float | None = None, daily: bool = False) -> Found:
        run = ExperimentBook(home).running("shop") or started(home)
        update_exposures(home, "shop")
        end = None if ended is None else day(ended)
        asked = Asked(run.name, run.arms, run.started_at, end, day(until), daily)
        with connected(home, "shop") as con:
            found = find_exposed(con, asked)
            query = "SELECT unit, arm, exposed_us FROM exposed ORDER BY ALL"
            return found, con.execute(query).fetchall()

    return run


def micros(at: float) -> int:
    return round(day(at).timestamp() * 1e6)


def test_a_user_counts_from_the_first_answer(home, exposed) -> None:
    """Later answers change nothing, in whichever segment they are."""
    answer(home, ("u1", "treated", 3.5))
    answer(home, ("u1", "treated", 1.25), ("u2", "control", 2.0))
    found, units = exposed()
    assert units == [("u1", 1, micros(1.25)), ("u2", 0, micros(2))]
    assert (found.units.sum(axis=0).tolist(), found.answers.tolist()) == ([1, 1], [1, 2])
    assert found.units[:3].tolist() == [[0, 0], [0, 1], [1, 0]]


def test_one_person_in_two_arms_is_left_out_and_counted(home, exposed) -> None:
    """Two ids were assigned apart and turned out to be one person: nobody's effect."""
    answer(home, ("old", "control", 1), ("new", "treated", 2), ("u3", "control", 1))
    merge = {"name": "$alias", "user": "new", "day": 3, "properties": '{"previous_id":"old"}'}
    happen(home, *orders(["old", "new", "u3"], 2.5), merge)
    found, units = exposed()
    assert [unit for unit, *_ in units] == ["u3"]
    assert (found.crossed, found.units.sum(axis=0).tolist()) == (1, [2, 1])


def test_a_device_that_became_a_user_is_that_user(home, exposed) -> None:
    """A flag was asked for before the login; the orders come after it."""
    answer(home, ("device-1", "treated", 1))
    login = {"name": "login", "user": "u1", "device": "device-1", "day": 2}
    happen(home, {"device": "device-1", "name": "visit", "day": 0.5}, login)
    found, units = exposed()
    assert (units, found.joined) == ([("u1", 1, micros(1))], 1)


def test_answers_that_count_for_nobody_are_counted(home, exposed) -> None:
    """Without an id, for who takes no part, in an arm nobody declared, too early, too late."""
    answer(home, (None, None, 1), ("u2", None, 1), ("u3", "other", 1), ("u3", "other", 2))
    answer(home, ("u4", "control", -1), ("u5", "control", 5), ("u6", "control", 2))
    found, units = exposed(ended=4)
    assert [unit for unit, *_ in units] == ["u6"]
    left_out = (found.without_id, found.outside, found.unknown_arm, found.before, found.after)
    assert left_out == (1, 1, 2, 1, 1)


def test_what_another_model_answered_counts_in_the_arm(home, exposed) -> None:
    """Leaving out whom the arm failed would leave an arm of those with whom all went well."""
    answer(home, ("u1", "treated", 1), serves="champion")
    found, units = exposed()
    assert (found.fallbacks, len(units)) == (1, 1)


def test_answers_outside_the_experiment_are_not_its_own(home, exposed) -> None:
    """Neither those of another one nor those of none."""
    answer(home, ("u1", "treated", 1), experiment="shop-2")
    answer(home, ("u2", "treated", 1), experiment=None)
    assert exposed()[1] == []


def test_what_is_not_over_is_not_looked_at(home, exposed) -> None:
    """A look is the end of a day: of today nothing counts yet, and nothing is left out."""
    answer(home, ("u1", "treated", 1), ("u2", "control", 3))
    found, units = exposed(until=2)
    assert ([unit for unit, *_ in units], found.after) == (["u1"], 0)


def test_a_bandits_user_is_another_unit_on_another_day(home, exposed) -> None:
    """Shares move every day, and so may the arm of a user."""
    answer(home, ("u1", "treated", 1), ("u1", "control", 2))
    found, units = exposed(daily=True)
    assert [(unit, arm) for unit, arm, _ in units] == [("u1", 0), ("u1", 1)]
    assert found.crossed == 0
