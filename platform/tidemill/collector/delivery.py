"""What one request brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidemill.events.mapped import MappedEvent, Refusal


@dataclass(frozen=True, slots=True)
class Delivery:
    """Events of one source that arrived together; they are acknowledged together."""

    source: str
    """Whose write key was shown."""
    received_at: int
    """Microseconds since 1970 UTC."""
    events: Sequence[MappedEvent]
    refused: Sequence[Refusal]
    """Kept as dead letters."""
    clock_offset: float | None
    """Seconds the client's clock is ahead of ours; None when it did not tell its time."""
