"""Are users still told apart and recognised: logins, joins, shared devices, ids of nobody."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from tidemill_monitoring.event_log.concerns import LogConcern
from tidemill_monitoring.event_log.daily import Ids
from tidemill_monitoring.event_log.shares import find_change
from tidemill_monitoring.event_log.span import DAY, DAY_NUMBER, IN_SPAN, Span
from tidemill_monitoring.intervals import wilson_interval
from tidemill_monitoring.verdicts import Status, Verdict
from tidemill_monitoring.volumes import BROKEN, DailyCounts, find_changes

if TYPE_CHECKING:
    import duckdb

_WEEK = 7
_LEAST_CHANGE = 0.15
_JUNK_WATCH = 0.001
_SHARED_WATCH = 0.02
_JOINS = f"""
SELECT {DAY_NUMBER.format(time="since")} AS day, count(*) FROM (
    SELECT id, min(since) AS since FROM identity_owners WHERE anonymous GROUP BY id
) WHERE since >= $start AND since < $end GROUP BY day
"""
_FIRST_JOIN = "SELECT min(since), max(since) FROM identity_owners WHERE anonymous AND since < $end"
_DEVICES = f"""
WITH pairs AS (
    SELECT DISTINCT user_id, anonymous_id FROM events
    WHERE user_id IS NOT NULL AND anonymous_id IS NOT NULL AND {IN_SPAN}
),
users AS (SELECT count(*) AS devices FROM pairs GROUP BY user_id),
devices AS (SELECT count(*) AS users FROM pairs GROUP BY anonymous_id)
SELECT (SELECT avg(devices) FROM users), (SELECT max(devices) FROM users),
    (SELECT count(*) FROM devices), (SELECT count(*) FROM devices WHERE users > $cap)
"""


@dataclass(frozen=True)
class Devices:
    """Anonymous ids beside user ids in the events of the last weeks."""

    per_user: float | None
    most_of_a_user: int
    devices: int
    shared: int
    """Used by more users than the tracking plan allows to be one person's."""


def read_joins(con: duckdb.DuckDBPyConnection, span: Span) -> DailyCounts:
    """Anonymous ids that joined a user, by the day it became known; the newest day first."""
    first, last = con.execute(_FIRST_JOIN, {"end": span.end}).fetchall()[0]
    days = np.zeros((1, span.days), dtype=np.int64)
    parameters = {key: span.parameters[key] for key in ("start_us", "width", "start", "end")}
    for day, joins in con.execute(_JOINS, parameters).fetchall():
        days[0, span.days - 1 - day] = joins
    first, last = first or span.end, last or span.end
    return DailyCounts(("joins",), days, (first,), (last,), (span.end - first) // DAY)


def read_devices(con: duckdb.DuckDBPyConnection, span: Span, users_per_device: int) -> Devices:
    """`users_per_device`: how many users of one device may still be one person."""
    parameters = {key: span.parameters[key] for key in ("start", "end", "at")}
    row = con.execute(_DEVICES, {**parameters, "cap": users_per_device}).fetchall()[0]
    return Devices(row[0], row[1] or 0, row[2], row[3])


def judge_identity(ids: Ids, joins: DailyCounts, devices: Devices, span: Span) -> Verdict:
    """`ids` and `joins` by the days of `span`."""
    anonymous = find_change(ids.anonymous, ids.rows, span.judged, _LEAST_CHANGE)
    fewer = [
        change
        for change in find_changes(joins, _WEEK, span.end - _WEEK * DAY)
        if change.kind in (*BROKEN, "fell")
    ]
    evidence = {
        "anonymous_share": _share(ids.anonymous[span.history :], ids.rows[span.history :]),
        "joins_by_day": joins.counts[0, ::-1].tolist(),
        "junk_events": int(ids.junk[span.history :].sum()),
        **asdict(devices),
    }
    sentences = []
    if fewer:
        sentences.append(
            f"Anonymous visitors join users less often: {fewer[0].observed} in the last week, "
            f"{fewer[0].expected:.0f} usual. Check the calls of identify."
        )
    if anonymous is not None:
        sentences.append(
            f"{anonymous.now:.0%} of events have no user, {anonymous.before:.0%} before "
            f"{span.spell(anonymous.since)}. Check where the user is set."
        )
    sentences += _lasting(ids, devices, span)
    if evidence["anonymous_share"] is None:
        nothing = "No events in these days."
        return Verdict(LogConcern.IDENTITY, Status.UNDECIDED, nothing, evidence)
    if not sentences:
        return Verdict(LogConcern.IDENTITY, Status.OK, _calm(evidence, joins, span), evidence)
    urgent = any(change.kind in BROKEN for change in fewer) or (
        anonymous is not None and anonymous.now > 0.95
    )
    status = Status.ACT if urgent else Status.WATCH
    return Verdict(LogConcern.IDENTITY, status, " ".join(sentences), evidence)


def _lasting(ids: Ids, devices: Devices, span: Span) -> list[str]:
    """What is wrong now, however long it has been."""
    sentences = []
    rows, junk = (int(each[span.history :].sum()) for each in (ids.rows, ids.junk))
    if rows and wilson_interval(junk, rows)[0] > _JUNK_WATCH:
        sentences.append(
            f"{junk:,} events carry an id that names nobody, such as `null`: send none instead."
        )
    if devices.devices:
        surely, _ = wilson_interval(devices.shared, devices.devices)
        if surely > _SHARED_WATCH:
            sentences.append(
                f"{devices.shared:,} of {devices.devices:,} devices have too many users to be one "
                "person's: reset the anonymous id at logout."
            )
    return sentences


def _calm(evidence: dict[str, object], joins: DailyCounts, span: Span) -> str:
    joined = int(joins.counts[0, : span.judged].sum())
    return f"{evidence['anonymous_share']:.0%} of events have no user; {joined:,} visitors joined."


def _share(hits: np.ndarray, rows: np.ndarray) -> float | None:
    return float(hits.sum() / rows.sum()) if rows.sum() else None
