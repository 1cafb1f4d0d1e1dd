"""`python benchmarks/alerts.py`: false alerts and detections of alerts, beside a z-score.

Protocol: each shape is drawn with `--seeds` seeds. After 26 weeks of history, eight further weeks
are judged day by day, each blind to what follows; every incident on these clean days is a false
alert. For detection, 40% of the events of one day are removed, the newest, on each of `--days`
different days; it counts when the judgement of that very day opens an incident of a fall. If the
loss goes on for a second day, it may also be found by the judgement of that one. Beside it, on the
same numbers: the z-score of the last eight same weekdays, whose alarms count as one for
neighbouring days. It is judged at the usual 3 standard deviations, and at that number at which it
has as many false alerts as ours over all shapes. The oracle knows the rate, the weekday, the trend
and the noise of each day, but not the day's draw, and has the false alerts that are allowed: one in
eight weeks; no method finds more than it. Last, each event of the sample, day by day over the
second half of its year. Hours likewise, without rivals: a loss begins at any hour and lasts.
Everything is seeded.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
from alert_series import SHAPES, Numbers, Shape
from scipy.stats import norm

from tidemill.events import EventLog
from tidemill_monitoring.alerting.incidents import Incident
from tidemill_monitoring.alerting.series import Series
from tidemill_monitoring.alerting.watching import BOTH, Point, Watch, first_judgeable, watch

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "alerts.md"
HISTORY, JUDGED = 182, 56
HOUR = timedelta(hours=1)
HOURLY_HISTORY, HOURLY_JUDGED = 98, 28
HOURS = {
    "300 an hour": (300.0, 0.0, 0.0),
    "50 an hour": (50.0, 0.0, 0.0),
    "300 an hour, days vary by 5%, hours by 5%": (300.0, 0.05, 0.05),
    "300 an hour, days vary by 10%, hours by 5%": (300.0, 0.1, 0.05),
    "3 an hour": (3.0, 0.0, 0.0),
}
"""Name to events an hour, and by how much days and hours vary."""
LOST = 0.4
ALLOWED = 1.0
"""False alerts in eight weeks."""
START = datetime(2024, 1, 1, tzinfo=UTC)
SAME_WEEKDAYS = 8
USUAL_Z = 3.0
PACKAGES = ("tidemill", "numpy", "scipy")


@dataclass(frozen=True)
class Row:
    """One shape; rates are of all its seeds."""

    name: str
    false: float
    act: float
    """False alerts in eight weeks, and those of them that say act."""
    found: float
    found_next: float
    """By the judgement of the next day at the latest, if the loss goes on."""
    z_false: float
    z_found: float
    equal_false: float
    equal_found: float
    """The z-score at as many false alerts over all shapes as ours."""
    oracle: float
    coverage: float
    """Share of judged days inside of the band."""


@dataclass
class Tally:
    """What came of one seed."""

    incidents: list[Incident]
    inside: list[bool]
    found: list[bool]
    found_next: list[bool]
    z: Numbers
    """[judged days]: z-scores of the clean days."""
    z_lost: list[float]


def series_of(counts: Numbers, every: timedelta = timedelta(days=1)) -> Series:
    periods = len(counts)
    return Series(START, every, counts, 1.0, np.ones(periods), np.zeros(periods))


def try_seed(shape: Shape, seed: int, days: int) -> Tally:
    rng = np.random.default_rng(seed)
    counts = shape.draw(rng, HISTORY + JUDGED)
    clean = watch(series_of(counts), BOTH, HISTORY, {})
    inside = [
        each.single.lower <= each.single.observed <= each.single.upper
        for each in clean.points.values()
    ]
    z = np.array([z_score(counts[: day + 1]) for day in range(HISTORY, HISTORY + JUDGED)])
    found, found_next, z_lost = [], [], []
    for day in HISTORY + rng.choice(JUDGED - 1, days, replace=False):
        if counts[day] == 0:
            continue
        broken = counts[: day + 2].copy()
        broken[day:] = rng.binomial(broken[day:].astype(np.int64), 1 - LOST)
        seen = watch(series_of(broken), BOTH, int(day), _before(clean, int(day)))
        found.append(_fell_on(seen, int(day)))
        found_next.append(found[-1] or _fell_on(seen, int(day) + 1))
        z_lost.append(z_score(broken[: day + 1]))
    return Tally(clean.incidents, inside, found, found_next, z, z_lost)


def _before(clean: Watch, day: int) -> dict[int, Point]:
    return {period: point for period, point in clean.points.items() if period < day}


def _fell_on(seen: Watch, day: int) -> bool:
    """A day within a (false) incident that goes on cannot open another; it is left to be a miss."""
    return any(each.kind == "fell" and each.found == day for each in seen.incidents)


def z_score(counts: Numbers) -> float:
    """Of the last day, by mean and standard deviation of the same weekday before."""
    past = counts[:-1][-7::-7][:SAME_WEEKDAYS]
    return float((counts[-1] - past.mean()) / max(past.std(ddof=1), 1e-9))


def alarms(z: Numbers, limit: float) -> int:
    """Neighbouring days on the same side are one."""
    side = np.where(np.abs(z) >= limit, np.sign(z), 0)
    return int(((side != 0) & (side != np.concatenate([[0], side[:-1]]))).sum())


def equal_limit(tallies: Sequence[Tally], ours: float) -> float:
    """The limit at which the z-score has at most as many false alerts."""
    limits = np.linspace(2, 40, 381)
    rates = [np.mean([alarms(tally.z, limit) for tally in tallies]) for limit in limits]
    return float(next((x for x, rate in zip(limits, rates, strict=True) if rate <= ours), 40.0))


def oracle(shape: Shape) -> float:
    """Chance to find the loss when all but the day's draw is known, at ALLOWED false alerts."""
    rng = np.random.default_rng(0)
    draws = 20_000
    rate = np.full(draws, shape.level)
    for factor in shape.factors:
        if factor.__name__ in ("weekly", "closed_sundays"):
            rate = rate * rng.permutation(factor(rng, draws))
    rate = rate[rate > 0]
    noise = np.exp(rng.normal(0, shape.spread, (2, len(rate))))
    clean = rng.poisson(rate * noise[0])
    lost = rng.poisson(rate * noise[1] * (1 - LOST))
    score = [_score(each, rate, shape.spread) for each in (clean, lost)]
    limit = np.quantile(score[0], ALLOWED / JUDGED)
    return float((score[1] <= limit).mean())


def _score(counts: Numbers, rate: Numbers, spread: float) -> Numbers:
    deviation = 2 * (np.sqrt(counts + 0.375) - np.sqrt(rate + 0.375))
    chance: Numbers = norm.cdf(deviation / np.sqrt(1 + spread**2 * rate))
    return chance


def summarise(name: str, shape: Shape, tallies: Sequence[Tally], limit: float) -> Row:
    found = [one for tally in tallies for one in tally.found]
    found_next = [one for tally in tallies for one in tally.found_next]
    z_lost = np.array([one for tally in tallies for one in tally.z_lost])
    return Row(
        name,
        float(np.mean([len(tally.incidents) for tally in tallies])),
        float(np.mean([sum(each.is_serious for each in tally.incidents) for tally in tallies])),
        float(np.mean(found)),
        float(np.mean(found_next)),
        float(np.mean([alarms(tally.z, USUAL_Z) for tally in tallies])),
        float((z_lost <= -USUAL_Z).mean()),
        float(np.mean([alarms(tally.z, limit) for tally in tallies])),
        float((z_lost <= -limit).mean()),
        oracle(shape),
        float(np.mean([one for tally in tallies for one in tally.inside])),
    )


@dataclass(frozen=True)
class HourRow:
    """One kind of hourly series."""

    name: str
    false: float
    """False alerts in eight weeks."""
    found: float
    """Losses of 40% that last, found within 24 hours."""
    hours: float
    """Median of the hours until then, of those found."""


def hour_row(name: str, level: float, daily: float, hourly: float, seeds: int) -> HourRow:
    """`level` events an hour; all hours of a day, and single hours, vary by so much."""
    false, waits = [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        days = HOURLY_HISTORY + HOURLY_JUDGED
        hours = np.arange(days * 24)
        rate = level * (1.05 + np.sin(2 * np.pi * hours / 24))
        rate = rate * np.exp(rng.normal(0, 0.3, 7))[hours // 24 % 7]
        rate = rate * np.repeat(np.exp(rng.normal(0, daily, days)), 24)
        counts = rng.poisson(rate * np.exp(rng.normal(0, hourly, len(hours)))).astype(np.float64)
        clean = watch(series_of(counts, HOUR), BOTH, HOURLY_HISTORY * 24, {})
        false.append(len(clean.incidents) * JUDGED / HOURLY_JUDGED)
        begins = int(rng.integers(HOURLY_HISTORY * 24, len(counts) - 24))
        broken = counts[: begins + 24].copy()
        broken[begins:] = rng.binomial(broken[begins:].astype(np.int64), 1 - LOST)
        seen = watch(series_of(broken, HOUR), BOTH, begins, {}).incidents
        waits.append(min((i.found - begins + 1 for i in seen if i.kind == "fell"), default=np.inf))
    found = [wait for wait in waits if np.isfinite(wait)]
    middle = float(np.median(found)) if found else float("nan")
    return HourRow(name, float(np.mean(false)), len(found) / seeds, middle)


@dataclass(frozen=True)
class SampleRow:
    """One event of the sample, over its judged days."""

    event: str
    days: int
    incidents: int
    per_eight_weeks: float
    z_alarms: int
    found: float
    """Share of planted losses found on their day; NaN where the event is too rare to judge."""
    names: str


def sample_row(event: str, start: datetime, counts: Numbers) -> SampleRow:
    found_series = Series(
        start, timedelta(days=1), counts, 1.0, np.ones(len(counts)), np.zeros(len(counts))
    )
    first = max(len(counts) // 2, first_judgeable(found_series))
    found = watch(found_series, BOTH, first, {})
    z = np.array([z_score(counts[: day + 1]) for day in range(first, len(counts))])
    losses = [_planted(found_series, found, day) for day in range(first, len(counts), 7)]
    days = len(counts) - first
    names = ", ".join(
        f"{found_series.begins(each.first):%m-%d} {each.kind} x{each.ratio:.2f}"
        for each in found.incidents
    )
    return SampleRow(
        event,
        days,
        len(found.incidents),
        len(found.incidents) / days * JUDGED,
        alarms(z, USUAL_Z),
        float(np.mean([one for one in losses if one is not None])),
        names,
    )


def _planted(series: Series, clean: Watch, day: int) -> bool | None:
    """None on days that are unusual already."""
    if any(each.first <= day <= each.seen for each in clean.incidents):
        return None
    rng = np.random.default_rng(day)
    broken = series.values[: day + 1].copy()
    broken[-1] = rng.binomial(int(broken[-1]), 1 - LOST)
    before = _before(clean, day)
    cut = Series(series.start, series.every, broken, 1.0, np.ones(day + 1), np.zeros(day + 1))
    return _fell_on(watch(cut, BOTH, day, before), day)


def sample_rows(home: Path) -> list[SampleRow]:
    with EventLog(home / "events").connect(threads=1) as con:
        days = con.execute(
            "SELECT name, CAST(timestamp AS DATE) AS day, count(*) FROM events GROUP BY ALL"
        ).fetchall()
    first, last = min(day for _, day, _ in days), max(day for _, day, _ in days)
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    rows = []
    for event in sorted({name for name, _, _ in days}):
        counts = np.zeros((last - first).days)  # without the last day, which is part of one
        for name, day, count in days:
            if name == event and day < last:
                counts[(day - first).days] = count
        rows.append(sample_row(event, start, counts))
    return rows


def page(
    rows: Sequence[Row],
    hours: Sequence[HourRow],
    sample: Sequence[SampleRow],
    limit: float,
    seeds: tuple[int, int],
    days: int,
) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [
        "# Alerts: false alerts and detections",
        "",
        "Made by `python benchmarks/alerts.py`; its docstring is the protocol. "
        f"Run with {seeds[0]} seeds, {days} planted losses each; "
        f"Python {platform.python_version()}, {versions}.",
        "",
        "False: alerts in eight weeks in which nothing happened, of which `act` in brackets. "
        "Found: losses of 40% found by the judgement of the very day, in brackets by that of the "
        "next one at the latest. In band: share of clean days inside the 95% band. z-score: mean "
        "and standard deviation of the last eight same weekdays, at 3 standard deviations, and at "
        f"{limit:.1f}, where it has as many false alerts as ours over all shapes. Oracle: knows "
        "all but the day's own draw, and is allowed one false alert in eight weeks.",
        "",
        "| series | false (act) | found (next day) | in band | z false | z found "
        "| equal z false | equal z found | oracle found |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.name} | {row.false:.2f} ({row.act:.2f}) | {row.found:.0%} ({row.found_next:.0%}) "
        f"| {row.coverage:.1%} "
        f"| {row.z_false:.2f} | {row.z_found:.0%} | {row.equal_false:.2f} | {row.equal_found:.0%} "
        f"| {row.oracle:.0%} |"
        for row in rows
    ]
    lines += _hours_table(hours, seeds[1])
    lines += _sample_table(sample) if sample else []
    return "\n".join([*lines, ""])


def _hours_table(hours: Sequence[HourRow], seeds: int) -> list[str]:
    return [
        "",
        "## Hours",
        "",
        f"{seeds} seeds, after {HOURLY_HISTORY} days of history, {HOURLY_JUDGED} days judged. A "
        "loss of 40% begins at any hour and lasts.",
        "",
        "| series | false in eight weeks | found within 24 hours | median hours |",
        "|---|---|---|---|",
        *(f"| {row.name} | {row.false:.2f} | {row.found:.0%} | {row.hours:.0f} |" for row in hours),
    ]


def _sample_table(sample: Sequence[SampleRow]) -> list[str]:
    return [
        "",
        "## The sample's own events",
        "",
        "A real year: its incidents are what happened as well as false alerts. The days before "
        "are history. Losses are planted on each seventh day that is not part of an incident.",
        "",
        "| event | days | incidents | in eight weeks | z-score | found | which |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| `{row.event}` | {row.days} | {row.incidents} | {row.per_eight_weeks:.2f} "
            f"| {row.z_alarms} | {row.found:.0%} | {row.names} |"
            for row in sample
        ),
    ]


def main() -> None:
    """Write docs/benchmarks/alerts.md and the numbers beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--days", type=int, default=4, help="planted losses in each seed")
    parser.add_argument("--hourly-seeds", type=int, default=50)
    parser.add_argument("--home", type=Path, help="a home that holds the sample")
    parser.add_argument("--out", type=Path, default=PAGE)
    chosen = parser.parse_args()
    tallies = {}
    for name, shape in SHAPES.items():
        tallies[name] = [try_seed(shape, seed, chosen.days) for seed in range(chosen.seeds)]
        alerts = np.mean([len(tally.incidents) for tally in tallies[name]])
        found = np.mean([one for tally in tallies[name] for one in tally.found])
        print(f"{name}: {alerts:.2f} false alerts in eight weeks, {found:.0%} found", flush=True)
    everything = [tally for found in tallies.values() for tally in found]
    ours = float(np.mean([len(tally.incidents) for tally in everything]))
    limit = equal_limit(everything, ours)
    rows = [summarise(name, SHAPES[name], tallies[name], limit) for name in SHAPES]
    hours = [hour_row(name, *made, chosen.hourly_seeds) for name, made in HOURS.items()]
    sample = sample_rows(chosen.home) if chosen.home else []
    seeds = chosen.seeds, chosen.hourly_seeds
    chosen.out.write_text(page(rows, hours, sample, limit, seeds, chosen.days))
    facts = {"shapes": [asdict(row) for row in rows], "hours": [asdict(row) for row in hours]}
    facts |= {"sample": [asdict(row) for row in sample]}
    chosen.out.with_suffix(".json").write_text(json.dumps(facts, indent=1))
    print(f"wrote {os.path.relpath(chosen.out)}")


if __name__ == "__main__":
    main()
