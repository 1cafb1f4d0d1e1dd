"""Check events, keep the good ones in one commit, bury the bad ones, count both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from tidemill.events.log import Appended, EventLog
from tidemill.events.plan import TrackingPlan, check_plan, load_plan
from tidemill.events.schema import DEAD_LETTERS
from tidemill.events.unchecked import Batch
from tidemill.events.validate import validate


@dataclass(frozen=True)
class ImportReport:
    """What became of everything that was read."""

    accepted: int
    duplicates: int
    rejected: dict[str, int]
    """Rows by reason, the most frequent first; each is kept as a dead letter."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Files that could not be read, or not to their end, and why."""
    marked: Mapping[str, int] = field(default_factory=dict)
    """Accepted events that are kept and not counted, by reason."""

    @property
    def is_empty(self) -> bool:
        """True when not one valid event was found."""
        return self.accepted + self.duplicates == 0


def ingest(
    log: EventLog,
    batches: Iterable[tuple[str, Batch]],
    channel: str,
    now: datetime | None = None,
    clock_offset: float | None = None,
) -> ImportReport:
    """Put events into the log in one commit, each batch with the origin of its dead letters.

    `channel` and `clock_offset` (seconds) are for the receipt. Raises EventLogError when the log
    cannot be written; then nothing was accepted.
    """
    rejected: Counter[str] = Counter()
    moment = now or datetime.now(UTC)
    plan = load_plan(log.root)

    def valid() -> Iterator[pa.RecordBatch]:
        for origin, batch in batches:
            good, dead = check(batch, plan, origin, moment)
            if dead.num_rows:
                log.bury(dead)
                rejected.update(dead.column("reason").to_pylist())
            yield from good.to_batches()

    return _reported(log, log.append(valid()), rejected, channel, clock_offset)


def ingest_staged(
    log: EventLog, events: Sequence[Path], dead: Iterable[pa.Table], channel: str
) -> ImportReport:
    """As `ingest`, for what `check` has sorted before.

    `events` are Parquet files of the EVENTS schema, `dead` tables of the DEAD_LETTERS schema.
    """
    rejected: Counter[str] = Counter()
    for letters in dead:
        log.bury(letters)
        rejected.update(letters.column("reason").to_pylist())
    return _reported(log, log.append_files(events), rejected, channel, None)


def combined(first: ImportReport, second: ImportReport) -> ImportReport:
    """Both as one."""
    rejected = Counter(first.rejected) + Counter(second.rejected)
    return ImportReport(
        first.accepted + second.accepted,
        first.duplicates + second.duplicates,
        dict(rejected.most_common()),
        {**first.unreadable, **second.unreadable},
        dict(Counter(first.marked) + Counter(second.marked)),
    )


def check(
    batch: Batch, plan: TrackingPlan, origin: str, now: datetime
) -> tuple[pa.Table, pa.Table]:
    """Valid events (EVENTS) and dead letters (DEAD_LETTERS) of one batch."""
    checked = validate(batch.unchecked, origin, now, batch.canonical)
    planned = check_plan(checked.valid, plan, origin, now)
    dead = pa.concat_tables([checked.dead, planned.dead, _dead(batch.malformed, origin, now)])
    return planned.valid, dead


def _reported(
    log: EventLog,
    appended: Appended,
    rejected: Counter[str],
    channel: str,
    clock_offset: float | None,
) -> ImportReport:
    report = ImportReport(
        appended.accepted,
        appended.duplicates,
        dict(rejected.most_common()),
        marked=appended.marked,
    )
    if report.accepted + report.duplicates + rejected.total():
        log.note_receipt(
            {
                "channel": channel,
                "accepted": report.accepted,
                "duplicates": report.duplicates,
                "rejected": rejected.total(),
                "repeats": report.marked.get("repeat", 0),
                "bots": report.marked.get("bot", 0),
                "clock_offset": clock_offset,
            }
        )
    return report


def _dead(malformed: pa.Table, origin: str, now: datetime) -> pa.Table:
    count = malformed.num_rows
    columns = {
        "received_at": pa.array([now] * count, DEAD_LETTERS.field("received_at").type),
        "reason": malformed.column("reason"),
        "source": pa.array([origin] * count, pa.string()),
        "line": malformed.column("line"),
        "raw": malformed.column("raw"),
    }
    return pa.table(columns, schema=DEAD_LETTERS)
