"""Repeated clicks and bot-like rates: found, marked, never removed."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import pyarrow as pa

from tidemill.events.hygiene.activity import MINUTE, show_activity
from tidemill.events.hygiene.bots import find_bots
from tidemill.events.hygiene.repeats import find_repeats
from tidemill.events.plan import TrackingPlan

REPEAT = "repeat"
BOT = "bot"


def find_marks(con: duckdb.DuckDBPyConnection, plan: TrackingPlan) -> pa.Table:
    """The events to mark now that those in `fresh` join those in `log`; event_id and reason.

    `con` has both relations, with the EVENTS columns. An event has at most one row for each reason.
    Rows of reason `bot` may name events of `log`, see `find_bots`; others name new ones.
    """
    window, bots = plan.spec.debounce, plan.spec.bots
    found: dict[str, list[str]] = {REPEAT: [], BOT: []}
    margin = max((window or timedelta(0)) // timedelta(microseconds=1), MINUTE)
    if (window or bots) and show_activity(con, margin):
        if window is not None:
            found[REPEAT] = find_repeats(con, window)
        if bots is not None:
            found[BOT] = find_bots(con, bots.eventsPerMinute)
    event_ids = [event_id for ids in found.values() for event_id in ids]
    reasons = [reason for reason, ids in found.items() for _ in ids]
    return pa.table({"event_id": pa.array(event_ids, pa.string()), "reason": reasons})
