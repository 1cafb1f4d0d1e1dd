"""Events that start or stop being recorded in the middle of the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tidemill.objective import Target
from tidemill_pipelines.assessing.daily import Daily
from tidemill_pipelines.assessing.findings import Finding, blocking, ok, warning
from tidemill_pipelines.windows import Windows

_EXPECTED = 50.0
"""Events that would have been seen had it always been recorded."""
_LIVES = 14
"""Days; what lived shorter was a campaign, and not a change of the instrumentation."""
_AT_LEAST = 0.05
"""Share of the log's days without it."""
_SETTLED = 0.25
"""Share of the log after which a start matters, where no training cutoffs are known."""
_WHY = (
    "Before an event was recorded everybody has none of it, which says nothing about them; after "
    "it stopped a model waits for what never comes."
)


@dataclass(frozen=True)
class Change:
    """An event name that was not recorded throughout."""

    name: str
    kind: str
    """`started` or `stopped`."""
    day: date
    """The first day with it, or the last."""
    index: int
    expected: float
    """Events that would have been seen in the days without it."""


def find_changes(daily: Daily) -> list[Change]:
    """Names whose absence at either end of the log cannot be chance, the largest absence first."""
    found = []
    for position, name in enumerate(daily.names):
        counts = daily.counts[position]
        others = daily.total - counts if len(daily.names) > 1 else np.ones(daily.days)
        seen = np.flatnonzero(counts)
        first, last = int(seen[0]), int(seen[-1])
        if last - first < _LIVES:
            continue
        rate = counts[first : last + 1].sum() / max(1.0, others[first : last + 1].sum())
        gone = (
            _missing(others, slice(None, first), rate),
            _missing(others, slice(last + 1, None), rate),
        )
        for kind, day, expected in zip(("started", "stopped"), (first, last), gone, strict=True):
            length = first if kind == "started" else daily.days - 1 - last
            if expected >= _EXPECTED and length >= max(_LIVES, _AT_LEAST * daily.days):
                found.append(Change(name, kind, daily.day(day), day, expected))
    return sorted(found, key=lambda change: -change.expected)


def judge_instrumentation(daily: Daily, target: Target | None, windows: Windows | None) -> Finding:
    """Blocking where outcomes were looked for before the target's event was recorded."""
    changes = find_changes(daily)
    relevant = [change for change in changes if _matters(change, daily, windows)]
    facts = {"changes": [{**vars(change), "day": str(change.day)} for change in relevant]}
    if not relevant:
        return ok(
            "instrumentation",
            f"None of {len(daily.names)} event names starts or stops within the time that is "
            "learnt from.",
            _WHY,
            **facts,
        )
    seen = "; ".join(
        f"`{c.name}` {c.kind} on {c.day} ({c.expected:,.0f} would have been seen without that)"
        for c in relevant[:5]
    )
    seen += f"; and {len(relevant) - 5} more." if len(relevant) > 5 else "."
    own = [c for c in relevant if target is not None and c.name == target.event]
    if own:
        return blocking(
            "instrumentation",
            seen,
            f"`{own[0].name}` decides the outcome: where it was not recorded, outcomes are wrong.",
            "import the missing outcomes, or keep to the time in which they were recorded: fewer "
            "`training.cutoffs`, a shorter `training.every`",
            **facts,
        )
    return warning(
        "instrumentation",
        seen,
        _WHY,
        "import what is missing, or leave the time before out: fewer `training.cutoffs`",
        **facts,
    )


def _missing(others: NDArray[np.float64], days: slice, rate: float) -> float:
    return float(others[days].sum() * rate)


def _matters(change: Change, daily: Daily, windows: Windows | None) -> bool:
    """What started before the first training cutoff was there for all that is learnt."""
    if change.kind == "stopped":
        return True
    learnt = daily.days * _SETTLED if windows is None else daily.index(min(windows.train))
    return change.index > learnt
