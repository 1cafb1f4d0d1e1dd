"""What is judged about an event log."""

from __future__ import annotations

from enum import StrEnum


class LogConcern(StrEnum):
    """In the order in which a person should read them."""

    VOLUMES = "volumes"
    TRACKING = "tracking"
    NAMES = "event names"
    PROPERTIES = "properties"
    REFUSED = "refused events"
    SEQUENCES = "sequence gaps"
    LAG = "lag"
    CLOCKS = "clocks"
    IDENTITY = "identity"
    DUPLICATES = "duplicates"
    MARKS = "repeats and bots"
