"""Dead letters that are whole events join the log once the rules allow them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from tidemill.events import EventLog
from tidemill.events.plan import check_plan, keep_plan, load_plan
from tidemill.events.retrying import Retried, retry_dead_letters
from tidemill.events.schema import DEAD_LETTERS, EVENTS
from tidemill.events.summary import count_dead_letters

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STRICT = "events: {order: {required: [currency]}}"
FREE = "unplanned: allow"


def put_plan(log: EventLog, spec: str) -> None:
    text = f"apiVersion: tidemill.dev/v1alpha1\nkind: TrackingPlan\nspec: {{{spec}}}\n"
    keep_plan(log.root, text.encode())


def refuse(log: EventLog, *ids: str, origin: str = "shop.jsonl", **columns: Any) -> pa.Table:
    """Bury orders without a currency, and return them."""
    put_plan(log, STRICT)
    event = {"name": "order", "user_id": "u1", "timestamp": NOON, "received_at": NOON}
    event |= {"value": 0.1, "properties": '{"a":{"b":[1.5,"ü"]}}', **columns}
    events = pa.Table.from_pylist([{**event, "event_id": each} for each in ids], schema=EVENTS)
    checked = check_plan(events, load_plan(log.root), origin, datetime.now(UTC))
    assert checked.valid.num_rows == 0
    log.bury(checked.dead)
    return events


def kept(log: EventLog) -> pa.Table:
    with log.connect() as con:
        return con.execute("SELECT * FROM events ORDER BY event_id").to_arrow_table().cast(EVENTS)


def test_a_letter_becomes_the_event_it_was(log: EventLog) -> None:
    """Column by column, to the microsecond and the last bit; and the letter goes."""
    when = NOON.replace(microsecond=123457)
    events = refuse(log, "a", "b", timestamp=when, value=0.1 + 0.2, item_id="i")
    put_plan(log, FREE)
    assert retry_dead_letters(log) == Retried(2, 2, 0, {})
    assert kept(log) == events
    assert count_dead_letters(log) == {}


def test_what_still_breaks_a_rule_stays_as_it_is(log: EventLog) -> None:
    """A retry that changes nothing changes nothing."""
    refuse(log, "a", "b")
    before = log.connect().execute("SELECT * FROM dead_letters ORDER BY raw").fetchall()
    reason = "plan: order.currency is missing"
    assert retry_dead_letters(log) == Retried(2, 0, 0, {reason: 2})
    assert log.connect().execute("SELECT * FROM dead_letters ORDER BY raw").fetchall() == before


def test_a_new_reason_replaces_the_old_one(log: EventLog) -> None:
    """Counts by reason speak of the present plan."""
    refuse(log, "a")
    put_plan(log, "events: {order: {required: [shop]}}")
    retry_dead_letters(log)
    assert count_dead_letters(log) == {"plan: order.shop is missing": 1}


def test_retrying_again_adds_nothing(log: EventLog) -> None:
    """Also after a crash between the events and their letters."""
    events = refuse(log, "a")
    log.append(events)
    put_plan(log, FREE)
    assert retry_dead_letters(log) == Retried(1, 0, 1, {})
    assert retry_dead_letters(log) == Retried(0, 0, 0, {})
    assert kept(log).num_rows == 1


@pytest.mark.parametrize(("origin", "is_late"), [("collector/web", True), ("old.jsonl", False)])
def test_a_live_event_is_known_from_now_on(log: EventLog, origin: str, is_late: bool) -> None:
    """No prediction could have known it earlier; history out of a file is what it was."""
    refuse(log, "a", origin=origin)
    put_plan(log, FREE)
    before = datetime.now(UTC)
    retry_dead_letters(log)
    (received,) = kept(log).column("received_at").to_pylist()
    assert (received >= before) is is_late
    assert (received == NOON) is not is_late


def test_other_letters_are_not_touched(log: EventLog) -> None:
    """Broken JSON, other vendors' events and cut texts stay for people to read."""
    raws = ["{", "[1]", "3", '{"type":"track","event":"x","timestamp":1,"userId":"u"}', ""]
    rows = [{"received_at": NOON, "reason": "r", "source": "s", "raw": raw} for raw in raws]
    log.bury(pa.Table.from_pylist(rows, schema=DEAD_LETTERS))
    refuse(log, "a")
    put_plan(log, FREE)
    assert retry_dead_letters(log).tried == 1
    assert count_dead_letters(log) == {"r": len(raws)}


def test_our_own_json_lines_are_tried_too(log: EventLog) -> None:
    """Keys that no event has become properties, as when a file is imported."""
    event = {"name": "order", "timestamp": NOON.isoformat(), "user_id": 7, "shop": "x"}
    row = {"received_at": NOON, "reason": "r", "source": "s.jsonl", "raw": json.dumps(event)}
    log.bury(pa.Table.from_pylist([row], schema=DEAD_LETTERS))
    assert retry_dead_letters(log).accepted == 1
    (found,) = kept(log).to_pylist()
    assert (found["user_id"], found["properties"]) == ("7", '{"shop":"x"}')


def test_a_retry_has_a_receipt(log: EventLog) -> None:
    """What came into the log, and when, can be told afterwards."""
    refuse(log, "a", "b")
    put_plan(log, FREE)
    retry_dead_letters(log)
    with log.connect() as con:
        assert con.execute("SELECT channel, accepted FROM receipts").fetchall() == [("retry", 2)]


@pytest.mark.parametrize("value", ["NaN", "1e999", "[" * 300 + "]" * 300, "1,"])
def test_what_only_looks_like_json_holds_up_no_other(log: EventLog, value: str) -> None:
    """The database reads more than JSON allows; such a line stays for people to read."""
    raw = f'{{"name":"x","timestamp":"2026-03-01","user_id":"u","item_id":{value}}}'
    row = {"received_at": NOON, "reason": "r", "source": "s.jsonl", "raw": raw}
    log.bury(pa.Table.from_pylist([row], schema=DEAD_LETTERS))
    refuse(log, "a")
    put_plan(log, FREE)
    assert retry_dead_letters(log).accepted == 1
    assert count_dead_letters(log) == {"r": 1}
