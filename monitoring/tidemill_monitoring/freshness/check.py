"""From the store, the answers and the event log to the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from tidemill.errors import OnlineStoreError
from tidemill_monitoring.choosing.inputs import ChoiceInputs
from tidemill_monitoring.freshness.asked import AskedRows
from tidemill_monitoring.freshness.stored import StoredRows, known_before, read_stored
from tidemill_monitoring.freshness.verdict import Traffic, judge_online_store, limits_of
from tidemill_monitoring.inputs import LogInputs, MonitorInputs
from tidemill_monitoring.segmenting.inputs import SegmentInputs
from tidemill_monitoring.served import to_us
from tidemill_monitoring.verdicts import Verdict


def check_rows(inputs: MonitorInputs | SegmentInputs) -> Verdict:
    """The feature rows that a model of an outcome, or of segments, reads."""
    view, features = inputs.metadata.feature_view, inputs.metadata.features
    return _check(inputs, inputs.asked, view, features, every_user_has_a_row=True)


def check_histories(inputs: ChoiceInputs) -> Verdict:
    """The histories that a model that chooses items reads; not everybody has one."""
    view = inputs.metadata.interests.view
    return _check(inputs, inputs.asked, view, (), every_user_has_a_row=False)


def _check(
    inputs: LogInputs,
    asked: AskedRows,
    view: str,
    features: Sequence[str],
    *,
    every_user_has_a_row: bool,
) -> Verdict:
    stored: StoredRows | None = None
    unread = ""
    try:
        stored = read_stored(inputs.con, inputs.home, view, features, inputs.at)
    except OnlineStoreError as error:
        unread = str(error)
    limits = limits_of(asked.rhythm_days)
    when, cutoffs = asked.ages
    known = known_before(inputs.con, asked.cold_users, timedelta(days=limits[0]))
    return judge_online_store(
        stored,
        Traffic(when, cutoffs, asked.cold, len(asked.cold_users), known),
        at=to_us(inputs.at),
        log_end=to_us(inputs.newest_event),
        limits=limits,
        every_user_has_a_row=every_user_has_a_row,
        unread=unread,
        damaged=len(asked.damaged),
    )
