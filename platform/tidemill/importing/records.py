"""Records of other formats, one by one, on their way to a batch of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tidemill.events.mapped import MappedEvent, RefusedError, refusal
from tidemill.events.mapped_batches import mapped_batch
from tidemill.events.unchecked import LONGEST_RAW, Batch

_ROWS = 50_000


class Mapper(NamedTuple):
    """How records become events."""

    to_event: Callable[[Mapping[str, Any]], MappedEvent]
    """Raises RefusedError."""
    require: Callable[[Sequence[str]], None]
    """Raises UnreadableFileError unless a file's columns will do."""


@dataclass
class Mapped:
    """Gathers events and refused records."""

    to_event: Callable[[Mapping[str, Any]], MappedEvent]
    events: list[MappedEvent] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    refused: list[tuple[int | None, str, str]] = field(default_factory=list)

    def add(self, record: Mapping[str, Any], line: int, raw: str | None = None) -> None:
        """One record; `raw` is its text, made from the record if it has none."""
        try:
            self.events.append(self.to_event(record))
            self.lines.append(line)
        except RefusedError as error:
            self.reject(str(error), line, refusal(error, record).raw if raw is None else raw)

    def reject(self, reason: str, line: int, raw: str) -> None:
        """One record that cannot be taken apart."""
        self.refused.append((line, reason, raw[:LONGEST_RAW]))

    def is_full(self) -> bool:
        return len(self.events) + len(self.refused) >= _ROWS

    def take(self, position: int) -> Batch:
        """All that was gathered; nothing is left."""
        batch = mapped_batch(self.events, self.refused, lines=self.lines, position=position)
        self.events, self.lines, self.refused = [], [], []
        return batch
