"""Dead letters that are whole events, judged once more by the rules of today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tidemill.events.log import Appended, EventLog
from tidemill.events.plan import load_plan, violations
from tidemill.events.schema import EVENTS
from tidemill.events.unchecked import Collector, event_values
from tidemill.events.validate import validate

CHANNEL = "retry"
"""What the receipts of retries say."""

_LIVE = "collector/"
"""What the origin of an event starts with that was sent, not imported."""
_ROWS = 50_000
# Objects with the columns of an event: our own JSON lines, and what the plan refused.
_NATIVE = """
SELECT * FROM dead_letters WHERE CASE WHEN json_valid(raw) THEN
    list_has_all(json_keys(raw), ['name', 'timestamp'])
    AND list_has_any(json_keys(raw), ['user_id', 'anonymous_id']) ELSE false END
"""


@dataclass(frozen=True)
class Retried:
    """What became of the dead letters that could be tried again."""

    tried: int
    accepted: int
    duplicates: int
    """Events that had joined the log in the meantime."""
    refused: dict[str, int]
    """Events by reason, the most frequent first; they stay dead letters."""


def retry_dead_letters(log: EventLog) -> Retried:
    """Put the events that the present rules allow into the log, and take their dead letters away.

    An event that was sent live counts as received now: no prediction could have known it earlier.
    One out of a file keeps the `received_at` that it had. A crash in between leaves dead letters
    of events that are in the log; the next retry finds them to be duplicates.
    """
    with log.connect() as con:
        found = con.execute(_NATIVE).to_arrow_table()
    letters = found.filter(pa.array(map(_is_json, found.column("raw").to_pylist()), pa.bool_()))
    if not letters.num_rows:
        return Retried(0, 0, 0, {})
    now, reasons = datetime.now(UTC), list[str | None]()

    def accepted() -> Iterator[pa.RecordBatch]:
        for start in range(0, letters.num_rows, _ROWS):
            part = letters.slice(start, _ROWS)
            valid, verdicts = _judge(part, log, now)
            reasons.extend(verdicts)
            yield from valid.to_batches()

    appended = log.append(accepted())
    _take_away(log, letters, pa.array(reasons, pa.string()))
    _note(log, appended)
    counts = Counter(reason for reason in reasons if reason is not None)
    return Retried(
        letters.num_rows, appended.accepted, appended.duplicates, dict(counts.most_common())
    )


def _judge(letters: pa.Table, log: EventLog, now: datetime) -> tuple[pa.Table, list[str | None]]:
    """The events to keep, and for each letter why it is refused, None if it is not."""
    checked = validate(_unchecked(letters), CHANNEL, now)
    reasons: list[str | None] = [None] * letters.num_rows
    for dead in checked.dead.select(["line", "reason"]).to_pylist():
        reasons[dead["line"]] = dead["reason"]
    rows = [row for row, reason in enumerate(reasons) if reason is None]
    broken = dict(violations(checked.valid, load_plan(log.root)))
    for position, reason in broken.items():
        reasons[rows[position]] = reason
    is_kept = pa.array([position not in broken for position in range(len(rows))], pa.bool_())
    sources = letters.column("source").take(pa.array(rows, pa.int64())).filter(is_kept)
    valid = checked.valid.filter(is_kept)
    return _received(valid, pc.starts_with(sources, _LIVE), now), reasons


def _is_json(raw: str) -> bool:
    """Strictly, and no deeper than can be written again; DuckDB lets NaN pass, among others."""
    try:
        orjson.dumps(orjson.loads(raw))
    except (orjson.JSONDecodeError, TypeError):
        return False
    return True


def _unchecked(letters: pa.Table) -> pa.Table:
    collector = Collector()
    for row, raw in enumerate(letters.column("raw").to_pylist()):
        collector.add(event_values(orjson.loads(raw)), row, raw)
    return collector.take(0).unchecked


def _received(events: pa.Table, live: pa.Array, now: datetime) -> pa.Table:
    column = EVENTS.get_field_index("received_at")
    received = pc.if_else(live, pa.scalar(now, EVENTS.field(column).type), events.column(column))
    return events.set_column(column, EVENTS.field(column), received)


def _take_away(log: EventLog, letters: pa.Table, reasons: pa.Array) -> None:
    """Letters without a reason go; the others stay, with the reason of today."""
    column = letters.schema.get_field_index("reason")
    judged = letters.set_column(column, letters.schema.field(column), [reasons])
    if judged != letters:
        log.replace_dead_letters(letters, judged.filter(pc.is_valid(reasons)))


def _note(log: EventLog, appended: Appended) -> None:
    marked = {f"{reason}s": count for reason, count in appended.marked.items()}
    accepted = {"accepted": appended.accepted, "duplicates": appended.duplicates}
    log.note_receipt({"channel": CHANNEL, "rejected": 0, **accepted, **marked})
