"""Repeated clicks are marked; honest repetitions and coarse clocks are left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.events.hygiene import find_marks
from tidemill.events.plan import DEFAULT_PLAN, TrackingPlan
from tidemill.events.plan.schema import PlanSpec
from tidemill.events.schema import EVENTS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def click(event_id: str, seconds: float, **columns: Any) -> dict[str, Any]:
    at = NOON + timedelta(seconds=seconds)
    event = {"name": "liked", "user_id": "u1", "item_id": "i1", "properties": "{}"}
    return {"event_id": event_id, "timestamp": at, "received_at": at, **event, **columns}


def repeats(
    fresh: list[dict[str, Any]],
    log: list[dict[str, Any]] | None = None,
    plan: TrackingPlan = DEFAULT_PLAN,
) -> set[str]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("fresh", pa.Table.from_pylist(fresh, schema=EVENTS))
        con.register("log", pa.Table.from_pylist(log or [], schema=EVENTS))
        marks = find_marks(con, plan).to_pylist()
    return {mark["event_id"] for mark in marks if mark["reason"] == "repeat"}


def test_a_double_click_is_marked_once() -> None:
    """The first counts, what follows within a second does not, and what comes later does."""
    assert repeats([click("a", 0), click("b", 0.2), click("c", 0.9), click("d", 60)]) == {"b", "c"}


def test_a_run_of_clicks_is_one_click() -> None:
    """The gap to the click just before decides, however long the run."""
    run = [click(str(n), n * 0.9) for n in range(20)]
    assert repeats(run) == {str(n) for n in range(1, 20)}


def test_the_window_ends_before_its_length() -> None:
    """Whole seconds apart, as by a clock that ticks seconds, is not within one second."""
    assert repeats([click("a", 0), click("b", 1), click("c", 1.999999)]) == {"c"}


@pytest.mark.parametrize(
    "other",
    [
        {"user_id": "u2"},
        {"name": "shared"},
        {"item_id": "i2"},
        {"item_id": None},
        {"properties": '{"colour":"red"}'},
        {"value": 9.5},
    ],
)
def test_something_else_is_no_repeat(other: dict[str, Any]) -> None:
    """Another user, event, item or property is another deed; what has a value is a transaction."""
    assert repeats([click("a", 0), click("b", 0.2, **other)]) == set()


def test_repeated_purchases_are_honest() -> None:
    """Two equal purchases in a moment are two purchases."""
    assert repeats([click("a", 0, value=5.0), click("b", 0.2, value=5.0)]) == set()


def test_identities_are_never_marked() -> None:
    """Who is who is no click, however often it is said."""
    assert repeats([click("a", 0, name="$identify"), click("b", 0.2, name="$identify")]) == set()


def test_a_coarse_clock_is_left_alone() -> None:
    """In a log of minutes everything of one minute happened at once, and stays."""
    assert repeats([click(f"{n}", 60 * (n // 10)) for n in range(50)]) == set()


def test_what_each_sending_adds_is_not_compared() -> None:
    """Sending times and ids of messages differ between two clicks on the same button."""
    first = '{"button":"buy","context":{"n":1},"sent_at":"12:00:00.1"}'
    second = '{"button":"buy","context":{"n":2},"sent_at":"12:00:00.3"}'
    third = '{"button":"sell","context":{"n":2},"sent_at":"12:00:00.3"}'
    events = [click(str(n), n / 10, properties=p) for n, p in enumerate((first, second, third))]
    assert repeats(events) == {"1"}


def test_anonymous_clicks_repeat_too() -> None:
    """Who clicks is the user, or the anonymous id where there is no user."""
    nobody = {"user_id": None, "anonymous_id": "x"}
    assert repeats([click("a", 0, **nobody), click("b", 0.2, **nobody), click("c", 0.3)]) == {"b"}


def test_a_click_in_the_log_is_remembered() -> None:
    """The two clicks of one double click may arrive in two requests."""
    assert repeats([click("b", 0.2)], log=[click("a", 0)]) == {"b"}


def test_of_a_pair_in_the_wrong_order_the_later_arrival_is_marked() -> None:
    """What was counted stays counted, and the pair counts once all the same."""
    assert repeats([click("a", 0)], log=[click("b", 0.2)]) == {"a"}


def test_a_stray_event_from_long_ago_meets_its_own_surroundings() -> None:
    """A phone that was offline brings old clicks together with new ones."""
    year = 365 * 86_400.0
    log = [click("old", -year), click("between", -year / 2), click("new", 0)]
    fresh = [click("a", -year + 0.2), click("b", 0.2), click("c", -year / 3)]
    assert repeats(fresh, log) == {"a", "b"}


def test_the_window_is_the_plans() -> None:
    """And `off` marks nothing."""
    events = [click("a", 0), click("b", 3)]
    for window, expected in (("5s", {"b"}), ("3s", set()), ("off", set())):
        plan = TrackingPlan.of(PlanSpec.model_validate({"debounce": window}))
        assert repeats(events, plan=plan) == expected


DEEDS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from(["u1", "u2"]),
        st.sampled_from(["{}", '{"a":1}', '{"a":1,"ts":7}']),
        st.booleans(),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=30)
@given(DEEDS)
def test_marks_are_those_of_a_loop_over_all_pairs(
    deeds: list[tuple[int, str, str, bool]],
) -> None:
    """The rule in its plainest form, for any order, ties and split between log and fresh."""
    rows = [
        click(str(n), tenths / 10, user_id=user, properties=properties)
        for n, (tenths, user, properties, _) in enumerate(deeds)
    ]
    own = [(user, "{}" if text == "{}" else "a") for _, user, text, _ in deeds]
    expected = set()
    for n, (at, _, _, is_fresh) in enumerate(deeds):
        for m, (other, _, _, is_other_fresh) in enumerate(deeds):
            is_before = 0 < at - other < 10
            is_known_after = 0 < other - at < 10 and not is_other_fresh
            if is_fresh and own[n] == own[m] and (is_before or is_known_after):
                expected.add(str(n))
    fresh = [row for row, deed in zip(rows, deeds, strict=True) if deed[3]]
    log = [row for row, deed in zip(rows, deeds, strict=True) if not deed[3]]
    assert repeats(fresh, log) == expected
