"""From both logs to what to do: the sample ratio first, then the metric that decides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiment_log_kit import ARMS, DECLARED, answer, day, happen, objective_of, started

from tidemill.home import Home
from tidemill_monitoring.experiments.analysis import Analysis, analyse
from tidemill_monitoring.experiments.connection import connected
from tidemill_monitoring.experiments.exposures import update_exposures
from tidemill_monitoring.experiments.facts import exit_code, standing_of, to_json
from tidemill_monitoring.experiments.guardrails import Guard
from tidemill_monitoring.experiments.page import render_page
from tidemill_monitoring.experiments.planned import PlannedSize, keep_planned
from tidemill_monitoring.experiments.sentences import headline
from tidemill_monitoring.experiments.verdict import Answer

USERS, DAYS = 2000, 6
Rates = dict[str, tuple[float, ...]]
"""How many in a hundred of each arm do it, by event."""
RETURNS = {"name": "returns", "event": "return", "within": "2d"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def live(home: Home, rates: Rates, arms: list[str], habit: float = 0) -> None:
    """Users answered evenly over the days, the first in the first arm, the second in the second.

    With `habit`, so many of all order every day, before as well.
    """
    rng, rows, events = np.random.default_rng(1), [], []
    for number in range(USERS):
        user, place, at = f"u{number}", number % len(arms), DAYS * number / USERS
        rows.append((user, arms[place], at))
        usual = [-1.5, -0.5, 0.5, 1.5] if rng.random() < habit else []
        events += [{"user": user, "day": at + each} for each in usual]
        for event, shares in rates.items():
            if rng.random() < shares[place]:
                events.append({"user": user, "day": at + 1, "name": event})
    answer(home, *rows)
    happen(home, *events)


@pytest.fixture
def analysed(home: Home) -> Callable[..., Analysis]:
    """`analysed(declared, at=9)` of the logs of `live`, the planned size being all users."""

    def run(declared: Any = DECLARED, at: float = 9, planned: float = USERS) -> Analysis:
        experiment = started(home, declared)
        path = home.experiment_plan("shop", experiment.number)
        if not path.exists():
            keep_planned(path, PlannedSize(planned, 9, 0.8, 0.1))
        update_exposures(home, "shop")
        with connected(home, "shop") as con:
            return analyse(home, objective_of(declared), experiment, con, day(at))

    return run


TWO = ["control", "treated"]


def test_a_large_effect_is_found_and_said(home, analysed) -> None:
    """With the advice, the lift, and what others act on."""
    live(home, {"order": (0.1, 0.3)}, TWO)
    found = analysed()
    assert found.verdicts[0].answer is Answer.BETTER
    assert headline(found).startswith("Choose `treated`: it is better, `buys` +")
    assert (exit_code(found), standing_of(found).step) == (0, "promote")


def test_no_effect_is_not_decided_before_the_planned_size(home, analysed) -> None:
    """And is at the planned size."""
    live(home, {"order": (0.2, 0.2)}, TWO)
    early, full = analysed(at=6), analysed(at=9)
    assert [each.verdicts[0].answer for each in (early, full)] == [
        Answer.NO_DIFFERENCE_YET,
        Answer.NO_DIFFERENCE,
    ]
    assert [exit_code(each) for each in (early, full)] == [4, 0]


def test_an_earlier_look_can_be_taken_again(home, analysed) -> None:
    """What a day's end showed does not depend on who looked when."""
    live(home, {"order": (0.1, 0.2)}, TWO)
    early, later = (analysed(at=at).primary[0].reading for at in (6, 9))
    known = len(early.days)
    assert later.p_values[:known] == pytest.approx(early.p_values)
    assert later.lift.lower[:known] == pytest.approx(early.lift.lower)


def test_arms_that_lose_users_are_not_believed(home, analysed) -> None:
    """However large the effect: nothing else is said, and somebody has to act."""
    live(home, {"order": (0.1, 0.3)}, TWO)
    answer(home, *((f"more{n}", "treated", 3.0) for n in range(300)))
    found = analysed()
    assert headline(found).startswith("The arms are not as large as was declared")
    assert (exit_code(found), standing_of(found).verdict) == (3, "cannot say")


def test_a_hurt_guardrail_forbids(home, analysed) -> None:
    """More orders, and more returns than can be accepted."""
    live(home, {"order": (0.1, 0.3), "return": (0.05, 0.2)}, TWO)
    returns = {**RETURNS, "better": "lower"}
    guarded = {"guardrails": [{"metric": "returns", "margin": "5%"}]}
    found = analysed({**DECLARED, **guarded, "metrics": [*DECLARED["metrics"], returns]})
    assert found.guardrails[0].guard is Guard.HARMED
    assert (found.verdicts[0].answer, exit_code(found)) == (Answer.HARMFUL, 3)


def test_less_is_better_where_it_is_declared(home, analysed) -> None:
    """Fewer returns are a gain, with a negative lift."""
    live(home, {"return": (0.3, 0.1)}, TWO)
    found = analysed({"arms": ARMS, "metrics": [{**RETURNS, "better": "lower"}]})
    assert found.verdicts[0].answer is Answer.BETTER
    assert found.primary[0].reading.effect.lift[-1] < 0
    assert found.primary[0].opinion.probability_better > 0.99


def test_the_past_narrows_the_bounds(home, analysed) -> None:
    """Who orders every day did so before; that is no effect of the arm."""
    live(home, {"visit": (0.1, 0.1)}, TWO, habit=0.5)
    found = analysed(planned=10 * USERS)
    assert found.primary[0].variance_left < 0.05
    assert abs(found.primary[0].reading.effect.standard_error[-1]) < 0.01


def test_arms_share_alpha_and_metrics_account_for_each_other(home, analysed) -> None:
    """Two treatments: half of alpha each; two more metrics make one family of four."""
    arms = [
        {**ARMS[0], "share": "40%"},
        {**ARMS[1], "share": "30%"},
        {"name": "other", "share": "30%", "serve": "nothing"},
    ]
    more = [{"name": name, "event": name, "within": "2d"} for name in ("visit", "search")]
    live(
        home, {"order": (0.2,) * 3, "visit": (0.3,) * 3, "search": (0.1, 0.1, 0.2)}, [*TWO, "other"]
    )
    found = analysed({"arms": arms, "metrics": [*DECLARED["metrics"], *more]})
    assert [each.reading.plan.alpha for each in found.primary] == [0.025, 0.025]
    alone = [float(each.reading.p_values[-1]) for each in found.others]
    assert max(found.others, key=lambda each: -each.p_value).p_value == pytest.approx(
        4 * min(alone)
    )


def test_nobody_was_exposed_yet(home, analysed) -> None:
    """The first minute of an experiment is no error."""
    happen(home, {"user": "u1", "day": 1})
    found = analysed(at=0.5)
    assert (exit_code(found), found.ratio, found.segments) == (4, None, [])
    assert standing_of(found).lift is None


def test_without_a_history_there_is_no_end(home) -> None:
    """The size is still settled once, at the first look, and the reason is said."""
    live(home, {"order": (0.2, 0.2)}, TWO)
    experiment = started(home)
    update_exposures(home, "shop")
    with connected(home, "shop") as con:
        found = analyse(home, objective_of(), experiment, con, day(9))
    assert not found.primary[0].reading.plan.ends
    assert "reaches back" in found.size.reason
    assert home.experiment_plan("shop", 1).exists()


def test_a_holdout_is_measured_against_who_gets_nothing(home, analysed) -> None:
    """The control is the holdout, and it stays without an end."""
    live(home, {"order": (0.1, 0.3)}, ["holdout", "treated"])
    found = analysed({"holdout": "50%"})
    assert [arm.name for arm in found.experiment.arms] == ["holdout", "treated"]
    assert (found.verdicts[0].answer, found.planned_units) == (Answer.BETTER, None)


def test_the_facts_are_json_and_the_page_is_escaped(home, analysed) -> None:
    """What strangers call their events must not become markup."""
    live(home, {"order": (0.1, 0.3)}, TWO)
    metric = {"name": "odd", "event": "visit", "kind": "ratio", "per": "<script>", "within": "2d"}
    found = analysed({**DECLARED, "metrics": [*DECLARED["metrics"], metric]})
    page = render_page(found, datetime(2024, 4, 1, tzinfo=UTC))
    assert "<script>" not in page
    assert page.count("<svg") > 3
    assert to_json(found)["primary"][0]["lift"]["lower"] > 0


def test_an_interruption_is_seen_and_said(home, analysed) -> None:
    """Eight hours with next to no events, where more than thirty an hour are usual."""
    live(home, {"order": (0.2, 0.2)}, TWO)
    hours = [hour for hour in range(24 * 9) if not 200 <= hour < 208]
    visit = {"name": "visit", "user": "u0"}
    happen(home, *({**visit, "day": hour / 24 + n / 1e4} for hour in hours for n in range(40)))
    found = {each.name: each for each in analysed().counted}
    silent = found["hours with less than a tenth of the usual events"]
    assert (silent.count, silent.is_alarming) == (8, True)
