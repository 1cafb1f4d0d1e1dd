"""Which showings of items there were, and which of them a click answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tidemill.objective import Objective
from tidemill_pipelines.position_bias.exposures import read_showings, without_weights

_CHOICE = """recommendation:
    event: order
    within: 14d
    interest: [{event: view}]
    exposures: {event: impression, position: property.position, clicked: view, within: 24h}"""


@pytest.fixture
def showings_of(
    objective_of: Callable[..., Objective],
    events_of: Callable[..., Any],
    con_of: Callable[..., Any],
    cutoff: Any,
) -> Callable[..., list[tuple[int, bool]]]:
    """`showings_of({"at": 1, "position": 2}, {"click": 1.5})`: (position, clicked) in time; `at`
    and `click` in days after the first event."""

    def read(*rows: dict[str, Any]) -> list[tuple[int, bool]]:
        con = con_of(events_of(*(_event(row, cutoff) for row in rows)))
        read_showings(con, *without_weights(objective_of(_CHOICE)), cutoff)
        found = con.execute("SELECT position, clicked FROM position_showings ORDER BY position")
        return found.fetchall()

    return read


def test_the_newest_showing_is_answered(showings_of: Callable[..., Any]) -> None:
    """One click answers one showing, the last before it."""
    rows = {"at": 1, "position": 4}, {"at": 1.2, "position": 2}, {"click": 1.3}
    assert showings_of(*rows) == [(2, True), (4, False)]


def test_an_answer_comes_within_the_time(showings_of: Callable[..., Any]) -> None:
    """A click on another day is about something else."""
    assert showings_of({"at": 1, "position": 4}, {"click": 2.1}) == [(4, False)]
    assert showings_of({"at": 1, "position": 4}, {"click": 1.9}) == [(4, True)]


def test_a_click_does_not_answer_what_comes_later(showings_of: Callable[..., Any]) -> None:
    """Nor another user's or another item's."""
    rows = {"at": 1, "position": 3}, {"click": 0.9}, {"click": 1.1, "user": "u2"}
    assert showings_of(*rows, {"click": 1.1, "item": "i2"}) == [(3, False)]


def test_a_showing_sent_twice_counts_once(showings_of: Callable[..., Any]) -> None:
    """At one instant an item has one place, the first."""
    rows = {"at": 1, "position": 3}, {"at": 1, "position": 3}, {"at": 1, "position": 9}
    assert showings_of(*rows, {"click": 1.1}, {"click": 1.2}) == [(3, True)]


def test_positions_that_are_none_are_left_out(showings_of: Callable[..., Any]) -> None:
    """Zero, negative, text, missing; a huge one counts as the last."""
    odd = [0, -2, '"top"', "null", '{"a": 1}', "1e30"]
    rows = [{"at": 1 + at / 100, "position": position} for at, position in enumerate(odd)]
    assert showings_of(*rows, {"at": 2, "position": 123_456}) == [(50, False)]


def test_what_is_not_known_yet_is_left_out(showings_of: Callable[..., Any]) -> None:
    """A showing that arrives after the cutoff, and a click."""
    late = {"at": 2, "position": 2, "received": 90}
    rows = {"at": 1, "position": 1}, {"click": 1.1, "received": 90}, late
    assert showings_of(*rows) == [(1, False)]


def _event(row: dict[str, Any], cutoff: Any) -> dict[str, Any]:
    start = cutoff - timedelta(days=30)
    at = start + timedelta(days=row.get("at", row.get("click")))
    shown = {"name": "impression", "properties": f'{{"position": {row.get("position")}}}'}
    return {
        "item": row.get("item", "i1"),
        "user": row.get("user", "u1"),
        "at": at,
        "received": start + timedelta(days=row["received"]) if "received" in row else at,
        **(shown if "at" in row else {"name": "view"}),
    }
