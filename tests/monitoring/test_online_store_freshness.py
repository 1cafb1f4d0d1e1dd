"""How old the rows are that the server reads, and who has none though he should."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from tidemill.online import open_online_writer
from tidemill.predictions import Predictions
from tidemill.recommendation.interests import InterestDefinition, InterestEvent
from tidemill_features.catalog import FEATURE_VIEW, load_catalog
from tidemill_monitoring.choosing.inputs import ChoiceInputs
from tidemill_monitoring.freshness.asked import AskedRows
from tidemill_monitoring.freshness.check import check_histories, check_rows
from tidemill_monitoring.freshness.stored import StoredRows
from tidemill_monitoring.freshness.verdict import Traffic, judge_online_store, limits_of
from tidemill_monitoring.served import to_us
from tidemill_monitoring.verdicts import Status, Verdict

AT = datetime(2024, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def rows(*ages: float, known: float = 100.0) -> StoredRows:
    """Rows of those ages in days; NaN for a user without one."""
    cutoffs = [0 if np.isnan(age) else to_us(AT - age * DAY) for age in ages]
    return StoredRows(np.asarray(cutoffs), np.full(len(ages), to_us(AT - known * DAY)))


def answers(*ages: float, cold: int = 0, cold_known: int = 0) -> Traffic:
    """Answers asked for at AT that read rows of those ages in days."""
    cutoffs = np.asarray([to_us(AT - age * DAY) for age in ages], dtype=np.int64)
    return Traffic(np.full(len(ages), to_us(AT)), cutoffs, cold, cold, cold_known)


def judge(stored: StoredRows | None, traffic: Traffic | None = None, **changes: object) -> Verdict:
    facts = {
        "at": to_us(AT),
        "log_end": to_us(AT),
        "limits": limits_of(1.0),
        "every_user_has_a_row": True,
        **changes,
    }
    return judge_online_store(stored, traffic or answers(), **facts)  # type: ignore[arg-type]  # changes


def test_rows_of_last_night_are_fresh() -> None:
    """What they lack of the events is in the sentence."""
    verdict = judge(rows(*[0.6] * 200))
    assert verdict.status is Status.OK
    assert "0.6 days" in verdict.sentence


@pytest.mark.parametrize(("age", "status"), [(3.0, Status.WATCH), (12.0, Status.ACT)])
def test_a_store_that_nobody_fills_is_told_since_when(age: float, status: Status) -> None:
    """After days it is worth a look, after a week it calls for action."""
    verdict = judge(rows(*[age] * 200))
    assert verdict.status is status
    assert f"{AT - age * DAY:%Y-%m-%d %H:%M} UTC" in verdict.sentence
    assert "materialize" in verdict.sentence


def test_a_store_that_is_filled_once_a_week_is_not_stale_on_the_sixth_day() -> None:
    """The usual distance of two fillings is learnt from the answers' cutoffs."""
    assert judge(rows(*[6.0] * 200), limits=limits_of(7.0)).status is Status.OK


def test_a_silent_log_leaves_nothing_to_lack() -> None:
    """Rows cannot be older than the newest event; that the log is silent is another concern."""
    assert judge(rows(*[12.0] * 200), log_end=to_us(AT - 12 * DAY)).status is Status.OK


def test_rows_of_a_few_users_may_stay_behind() -> None:
    """One in a hundred is chance, or a user who was merged into another."""
    assert judge(rows(*[0.5] * 198, 30.0, 30.0)).status is Status.OK


def test_known_users_without_a_row_are_counted() -> None:
    """Users who became known after the store was filled are not missing from it."""
    missing = [0.5] * 150 + [float("nan")] * 50
    assert judge(rows(*missing)).status is Status.WATCH
    assert "50 of 200" in judge(rows(*missing)).sentence
    assert judge(rows(*missing, known=0.2)).status is Status.OK
    assert judge(rows(*missing), every_user_has_a_row=False).status is Status.OK


def test_answers_that_read_stale_rows_are_worth_a_look_when_the_store_is_fresh_again() -> None:
    """And decide alone where the store cannot be read."""
    stale = answers(*[9.0] * 300)
    assert judge(rows(*[0.5] * 200), stale).status is Status.WATCH
    assert judge(None, stale, unread="no such file").status is Status.ACT


def test_strangers_are_no_fault_and_known_users_without_a_row_are() -> None:
    """A stranger has never been heard of; the others had events for days."""
    fresh = rows(*[0.5] * 200)
    assert judge(fresh, answers(*[0.5] * 100, cold=100, cold_known=0)).status is Status.OK
    assert judge(fresh, answers(*[0.5] * 100, cold=100, cold_known=60)).status is Status.WATCH


def test_nothing_to_look_at_is_undecided() -> None:
    """No store and no answers; a store from after the monitored instant says nothing either."""
    assert judge(None, unread="no such file").status is Status.UNDECIDED
    assert "no such file" in judge(None, unread="no such file").sentence
    assert judge(rows(*[-5.0] * 200)).status is Status.UNDECIDED


def test_damaged_segments_are_told() -> None:
    """Their answers are missing everywhere."""
    verdict = judge(rows(*[0.5] * 200), damaged=2)
    assert verdict.status is Status.WATCH
    assert "2 segments" in verdict.sentence


def record(asked: datetime, cutoff: datetime, *users: str | None, cold: bool) -> Predictions:
    count = len(users)
    cutoffs = np.full(count, 0 if cold else to_us(cutoff))
    blank = np.zeros((count, 0), dtype=np.float32)
    return Predictions(
        "p", to_us(asked), "o", "1", "", users, cutoffs, np.full(count, cold), np.zeros(count),
        ["A"] * count, blank,
    )  # fmt: skip  # one argument a line would say no more


def test_answers_are_placed_by_when_they_were_asked_for() -> None:
    """In a replay the clock is years later, and ages cannot be told."""
    asked = AskedRows(AT, 7 * DAY)
    log = [
        record(AT - DAY, AT - 2 * DAY, "a", None, cold=False),
        record(AT - DAY, AT, "b", "c", cold=True),
        record(AT - 8 * DAY, AT - 9 * DAY, "old", cold=False),
        record(AT + 700 * DAY, AT - DAY, "replayed", cold=False),
    ]
    assert list(asked.watch(log)) == log
    when, cutoffs = asked.ages
    assert (when - cutoffs).tolist() == [DAY // timedelta(microseconds=1)]
    assert (asked.cold, sorted(asked.cold_users)) == (2, ["b", "c"])


def test_the_rhythm_is_the_usual_distance_of_days_with_new_rows() -> None:
    """One long pause does not make it the usual."""
    asked = AskedRows(AT, 7 * DAY)
    for age in (30, 29, 28, 27, 10, 9):
        list(asked.watch([record(AT, AT - age * DAY, "a", cold=False)]))
    assert asked.rhythm_days == 1.0


def test_the_shop_s_store_is_read(open_shop: Callable) -> None:
    """Twenty days after it was filled, and then filled again."""
    shop = open_shop(users=300)
    catalog = load_catalog(shop.home)
    for age, status in ((20, Status.ACT), (1, Status.OK)):
        made = to_us(shop.inputs.at - age * DAY)
        row = np.zeros(len(catalog.names), dtype="<f4").tobytes()
        with closing(open_online_writer(shop.home)) as writer:
            everybody = ((f"u{user}", made, row) for user in range(300))
            writer.write(FEATURE_VIEW, catalog.names, everybody)
        verdict = check_rows(shop.inputs)
        assert verdict.status is status
        assert verdict.evidence["stored"]["median_days"] == pytest.approx(age, abs=0.1)


def test_histories_are_as_fresh_as_rows(open_shop: Callable) -> None:
    """Of a model that chooses items; that somebody has none is ordinary."""
    shop = open_shop(users=300)
    inputs = shop.inputs
    definition = InterestDefinition(events=(InterestEvent(event="order"),), horizon_us=1)
    chooser = ChoiceInputs(shop.home, shop.objective, inputs.con, inputs.at, 7)
    # The bundle of a chooser takes a training to make, and only this is read of it.
    chooser.__dict__["metadata"] = SimpleNamespace(interests=definition)
    made = to_us(inputs.at - 20 * DAY)
    with closing(open_online_writer(shop.home)) as writer:
        writer.write(definition.view, (), ((f"u{user}", made, b"\0" * 8) for user in range(100)))
    verdict = check_histories(chooser)
    assert verdict.status is Status.ACT
    assert verdict.evidence["missing_rows"] == 0
