"""What is news: a verdict that is not what receivers were last told. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidemill_monitoring.verdicts import Status, Verdict


@dataclass(frozen=True)
class Change:
    """One concern whose verdict changed."""

    concern: str
    before: str
    """ok, watch or act: what receivers believe."""
    after: str
    sentence: str


def find_changes(told: Mapping[str, str], verdicts: Sequence[Verdict]) -> tuple[Change, ...]:
    """Changes against what receivers were `told`, concern to status.

    A concern nobody was told of counts as ok. An undecided verdict takes nothing back: an alarm
    stands until somebody has looked and found nothing.
    """
    return tuple(
        Change(verdict.concern.value, before, verdict.status.value, verdict.sentence)
        for verdict in verdicts
        if verdict.status is not Status.UNDECIDED
        and (before := told.get(verdict.concern.value, Status.OK.value)) != verdict.status.value
    )


def told_after(told: Mapping[str, str], changes: Sequence[Change]) -> dict[str, str]:
    """What receivers believe once they have heard of `changes`."""
    return {**told, **{change.concern: change.after for change in changes}}
