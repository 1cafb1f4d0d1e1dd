"""Instants as the numbers that SQL and the online store hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def in_microseconds(instant: datetime) -> int:
    """Since 1970 UTC."""
    return (instant - EPOCH) // timedelta(microseconds=1)
