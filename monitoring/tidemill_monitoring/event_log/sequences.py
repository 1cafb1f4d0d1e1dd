"""Losses that counters in the events give away: a device's numbers have holes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from tidemill_monitoring.event_log.concerns import LogConcern
from tidemill_monitoring.event_log.span import Span
from tidemill_monitoring.verdicts import Status, Verdict

if TYPE_CHECKING:
    import duckdb

COUNTERS = (
    '$."$sequence"',
    "$.sequence_number",
    "$.context.sequence_number",
    "$.context.event_id",
    "$.event_id",
)
"""Where clients put a number that grows by one with every event; the first that is found."""
_SESSIONS = ('$."$session_id"', "$.session_id", "$.context.session_id")
_WATCH, _ACT = 0.01, 0.05
_FEWEST_STREAMS = 20
_SPARSEST = 20
"""Numbers spread wider than this many times their count are no counter."""
_FOUND = "SELECT " + ", ".join(
    f"count(*) FILTER (json_type(properties, '{path}') IN ('BIGINT', 'UBIGINT'))"
    for path in COUNTERS
)
# The first and the last number of a stream are there by definition; what lies between them may
# be missing. A number that is there twice is a counter that began anew.
_STREAMS = """
WITH numbered AS (
    SELECT coalesce(anonymous_id, user_id) AS device, coalesce({sessions}) AS session,
        TRY_CAST(json_extract_string(properties, '{counter}') AS BIGINT) AS number
    FROM events
    WHERE timestamp >= $since AND timestamp < $until AND received_at < $at
),
streams AS (
    SELECT count(*) = count(DISTINCT number) AS steady, max(number) - min(number) - 1 AS inside,
        max(number) - min(number) + 1 - count(DISTINCT number) AS missing, count(*) AS events
    FROM numbered WHERE number IS NOT NULL GROUP BY device, session
    HAVING max(number) - min(number) >= 2
)
SELECT count(*), coalesce(sum(inside), 0)::DOUBLE, coalesce(sum(missing), 0)::DOUBLE,
    coalesce(sum(inside::DOUBLE * inside), 0), coalesce(sum(missing::DOUBLE * inside), 0),
    coalesce(sum(missing::DOUBLE * missing), 0)
FROM streams WHERE steady AND inside <= {sparsest} * events
"""


@dataclass(frozen=True)
class Loss:
    """Numbers missing inside of streams, with a 95% interval over streams."""

    streams: int
    numbers: int
    missing: int
    share: float
    lower: float
    upper: float


def find_counter(con: duckdb.DuckDBPyConnection) -> str | None:
    """The JSON path of the counter that most sampled events have; None for a log without."""
    found = con.execute(f"{_FOUND} FROM event_sample").fetchall()[0]
    best = int(np.argmax(found))
    return COUNTERS[best] if found[best] else None


def measure_loss(
    con: duckdb.DuckDBPyConnection, counter: str, span: Span, judged: bool
) -> Loss | None:
    """Of the judged days, or of those before; None for fewer than 20 streams."""
    since, until = (span.judged_from, span.end) if judged else (span.start, span.judged_from)
    sessions = ", ".join(f"json_extract_string(properties, '{path}')" for path in _SESSIONS)
    query = _STREAMS.format(sessions=sessions, counter=counter, sparsest=_SPARSEST)
    row = con.execute(query, {"since": since, "until": until, "at": span.at}).fetchall()[0]
    streams, inside, missing = int(row[0]), float(row[1]), float(row[2])
    if streams < _FEWEST_STREAMS:
        return None
    share = missing / inside
    # Variance of a ratio over streams: losses come in bursts of one device.
    squares = row[5] - 2 * share * row[4] + share**2 * row[3]
    half = 1.96 * float(np.sqrt(max(squares, 0.0) * streams / (streams - 1))) / inside
    upper = share + half if missing else 3 / inside
    return Loss(streams, int(inside), int(missing), share, max(0.0, share - half), min(1.0, upper))


def judge_sequences(con: duckdb.DuckDBPyConnection, span: Span) -> Verdict:
    """How many events the clients' own numbering says were lost. Needs the table event_sample."""
    counter = find_counter(con)
    if counter is None:
        sentence = "No event carries a counter, so losses on the way cannot be seen."
        return Verdict(LogConcern.SEQUENCES, Status.UNDECIDED, sentence, {"counter": None})
    now = measure_loss(con, counter, span, judged=True)
    before = measure_loss(con, counter, span, judged=False)
    evidence = {
        "counter": counter,
        "now": None if now is None else asdict(now),
        "before": None if before is None else asdict(before),
    }
    if now is None:
        sentence = f"Fewer than {_FEWEST_STREAMS} sessions with a counter; losses cannot be told."
        return Verdict(LogConcern.SEQUENCES, Status.UNDECIDED, sentence, evidence)
    status = Status.ACT if now.lower >= _ACT else Status.WATCH if now.lower >= _WATCH else Status.OK
    sentence = (
        f"{now.share:.1%} of the numbers inside of {now.streams:,} sessions are missing "
        f"({now.lower:.1%} to {now.upper:.1%})"
    )
    sentence += "" if before is None else f", {before.share:.1%} before"
    sentence += "." if status is Status.OK else ": look for blocked requests and refused events."
    return Verdict(LogConcern.SEQUENCES, status, sentence, evidence)
