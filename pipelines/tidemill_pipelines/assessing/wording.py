"""Words that findings share."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """`1 window`, `2 windows`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def are(number: int) -> str:
    """The verb that goes with so many."""
    return "is" if number == 1 else "are"
