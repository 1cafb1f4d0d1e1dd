"""Periods of which nothing, or next to nothing, was kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from tidemill.objective import Target
from tidemill_pipelines.assessing.daily import Daily
from tidemill_pipelines.assessing.findings import Finding, cannot_say, ok, warning
from tidemill_pipelines.assessing.wording import counted
from tidemill_pipelines.windows import Windows

_LOW = 0.1
"""Share of the usual volume that counts as next to nothing."""
_EXPECTED = 30.0
"""Events that are missing at least: fewer may be missing by chance."""
_AROUND = 56
"""Days on either side that say what is usual, by weekday."""
_FEWEST_DAYS = 2
"""A single quiet day is a holiday more often than an outage."""
_FEWEST_DAYS_OF_ONE = 5
"""Of a single event: it comes and goes with offers and seasons, which a whole log does not."""
_RHYTHM = 5
"""So many quiet spells are how the log goes."""
_WHY = (
    "A day that was not recorded looks like a day on which nobody did anything: outcomes turn "
    "into non-outcomes, and recency into absence."
)


@dataclass(frozen=True)
class Gap:
    """Days [start, end) by index."""

    start: int
    end: int
    observed: float
    expected: float


def find_gaps(total: NDArray[np.float64], fewest_days: int = _FEWEST_DAYS) -> list[Gap]:
    """Runs of days far below the same weekdays before and after them; `total` [days].

    The last run may reach the end of the log, and is then compared with the days before it alone.
    """
    found = []
    for start, end in _low_runs(total):
        before = _usual(total, start, end, "before")
        if before is None or end - start < fewest_days:
            continue
        after = _usual(total, start, end, "after")
        expected = before if after is None else min(before, after)
        observed = float(total[start:end].sum())
        if expected >= _EXPECTED and observed <= _LOW * expected:
            found.append(Gap(start, end, observed, expected))
    return found


def judge_gaps(daily: Daily, target: Target | None, windows: Windows | None) -> list[Finding]:
    """Missing periods of the whole log and, where all else went on, of the outcome's event."""
    findings = [_judge(daily, "gaps", find_gaps(daily.total), target, windows)]
    if target is not None and target.event in daily.names:
        counts = daily.counts[daily.names.index(target.event)]
        own = find_gaps(counts, _FEWEST_DAYS_OF_ONE)
        findings.append(_judge(daily, "outcome-gaps", own, target, windows))
    return findings


def _judge(
    daily: Daily, check: str, gaps: list[Gap], target: Target | None, windows: Windows | None
) -> Finding:
    of = f" with `{target.event}`" if check == "outcome-gaps" and target else ""
    facts = {
        "gaps": [
            {"from": str(daily.day(gap.start)), "to": str(daily.day(gap.end - 1)), **vars(gap)}
            for gap in gaps
        ]
    }
    if len(gaps) >= _RHYTHM:
        return cannot_say(
            check,
            f"{len(gaps)} spells of days are next to empty: too many to be failures. Events come "
            "in bursts here, and days that were lost would not show.",
            _WHY,
            gaps=facts["gaps"],
        )
    if not gaps:
        return ok(check, f"No days{of} are missing among {daily.days:,}.", _WHY, **facts)
    spells = "; ".join(_spell(daily, gap) for gap in gaps)
    hit = _windows_hit(daily, gaps, windows, target.within) if windows and target else []
    seen = f"Next to nothing{of} was kept in {counted(len(gaps), 'period')}: {spells}."
    if hit:
        seen += f" Outcomes were looked for in them from {', '.join(hit)}."
    return warning(
        check,
        seen,
        _WHY,
        "import what is missing; if it is lost, choose `training.cutoffs` and `training.every` so "
        "that no label window reaches into it",
        **facts,
    )


def _low_runs(total: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Runs of days below a tenth of the median of the same weekdays that had anything."""
    low = np.zeros(len(total) + 2, dtype=np.bool_)
    for day in range(len(total)):
        start = max(day % 7, day - _AROUND)
        near = total[start : day + _AROUND + 1 : 7]
        some = near[near > 0]
        low[day + 1] = len(some) > 0 and total[day] < _LOW * np.median(some)
    edges = np.flatnonzero(np.diff(low.astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _usual(total: NDArray[np.float64], start: int, end: int, side: str) -> float | None:
    """Events of the days [start, end) had they been like the weeks on one side of them.

    None where there are less than two weeks on that side.
    """
    first, last = (start - _AROUND, start) if side == "before" else (end, end + _AROUND)
    days = np.arange(max(0, first), min(len(total), last))
    if len(days) < 14:
        return None
    by_weekday = np.array([total[days[days % 7 == weekday]].mean() for weekday in range(7)])
    return float(by_weekday[np.arange(start, end) % 7].sum())


def _windows_hit(daily: Daily, gaps: list[Gap], windows: Windows, within: timedelta) -> list[str]:
    return [
        f"{cutoff:%Y-%m-%d}"
        for cutoff in windows.all
        if any(
            gap.start < daily.index(cutoff + within) and gap.end > daily.index(cutoff)
            for gap in gaps
        )
    ]


def _spell(daily: Daily, gap: Gap) -> str:
    return (
        f"{daily.day(gap.start)} to {daily.day(gap.end - 1)} ({gap.observed:,.0f} events, "
        f"{gap.expected:,.0f} usual)"
    )
