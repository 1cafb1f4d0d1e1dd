"""`python benchmarks/data_quality.py`: false alarms and detections of the volume checks.

Protocol: each stream is simulated `--reports` times with `--names` event names of `--level` events
a day over `--days` days, of which the last 14 are judged. A false alarm is a report on an untouched
stream that raises any alarm. For detection, 40% of one name's events of the last 1, 3 or 7 days are
removed; it counts when that name is reported to have fallen. "Alone" compares each event with its
own past, "beside" with the other events on the same days. Everything is seeded.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.event_log.alarms import find_alarms, usual_band
from tidemill_monitoring.event_log.arrivals import Arrivals
from tidemill_monitoring.event_log.forecasts import beside_siblings, forecast

JUDGED = 14
LOST_SHARE = 0.4
LOSS_DAYS = (1, 3, 7)
Counts = NDArray[np.float64]
Shape = Callable[[np.random.Generator, int, int], Counts]
"""(random numbers, names, days) to factors [names, days] of the level."""


def weekdays(rng: np.random.Generator, names: int, days: int) -> Counts:
    """Each name has weekdays of its own; the busiest of them has several times the quietest."""
    return np.exp(rng.normal(0, 0.4, (names, 7)))[:, np.arange(days) % 7]


def trend(rng: np.random.Generator, names: int, days: int) -> Counts:
    """Up to 18% growth, or loss, in four weeks."""
    return np.exp(rng.uniform(-0.006, 0.006, (names, 1)) * (np.arange(days) - days))


def noise(rng: np.random.Generator, names: int, days: int) -> Counts:
    """Days vary by a spread of up to 20%, beyond Poisson."""
    return np.exp(rng.normal(0, 1, (names, days)) * rng.uniform(0, 0.2, (names, 1)))


def volatile(rng: np.random.Generator, names: int, days: int) -> Counts:
    """Three names in ten vary by 60%, the others by 3%."""
    return np.exp(
        rng.normal(0, 1, (names, days)) * np.where(rng.random((names, 1)) < 0.3, 0.6, 0.03)
    )


def heavy(rng: np.random.Generator, names: int, days: int) -> Counts:
    """Laplace noise: a typical day is within 7%, one in a hundred is off by 46%."""
    return np.exp(rng.laplace(0, 0.1, (names, days)))


def common(rng: np.random.Generator, _: int, days: int) -> Counts:
    """All names share the ups and downs of demand."""
    return np.exp(rng.normal(0, 0.15, (1, days)))


def persistent(rng: np.random.Generator, names: int, days: int) -> Counts:
    """Good and bad weeks: an autoregression with 0.8 from day to day and a spread of 10%."""
    level = np.zeros((names, days))
    for day in range(1, days):
        level[:, day] = 0.8 * level[:, day - 1] + rng.normal(0, 0.06, names)
    return np.exp(level)


def drifting(rng: np.random.Generator, names: int, days: int) -> Counts:
    """The level walks by 2% a day."""
    return np.exp(np.cumsum(rng.normal(0, 0.02, (names, days)), axis=1))


def holidays(rng: np.random.Generator, names: int, days: int) -> Counts:
    """Six days of the history had a fifth, or three times, of everything."""
    factors = np.ones((names, days))
    factors[:, rng.integers(0, days - JUDGED, 6)] = rng.choice([0.2, 3.0], 6)
    return factors


STREAMS: Mapping[str, tuple[Shape, ...]] = {
    "stationary": (),
    "weekly": (weekdays,),
    "weekly, trending": (weekdays, trend),
    "weekly, trending, noisy": (weekdays, trend, noise),
    "holidays in the history": (weekdays, noise, holidays),
    "good and bad weeks": (weekdays, persistent),
    "drifting": (weekdays, drifting),
    "shared ups and downs": (weekdays, noise, common),
    "some names volatile": (weekdays, volatile),
    "heavy tails": (weekdays, heavy),
}


def simulate(
    rng: np.random.Generator, shapes: tuple[Shape, ...], names: int, days: int, level: float
) -> Counts:
    """Counts [names, days]: Poisson around the level times all shapes."""
    rate = np.full((names, days), level)
    for shape in shapes:
        rate = rate * shape(rng, names, days)
    return rng.poisson(rate).astype(np.float64)


@dataclass(frozen=True)
class Found:
    """Names with an alarm."""

    alone: set[str]
    alone_fell: set[str]
    beside_fell: set[str]
    coverage: float
    """Share of judged days inside the drawn band."""


def judge(counts: Counts) -> Found:
    """What a report on these counts would say about volumes and tracking."""
    names = tuple(f"event {number}" for number in range(len(counts)))
    complete = np.ones((len(counts), JUDGED))
    forecasts = forecast(Arrivals(names, counts, complete, np.zeros(JUDGED)), JUDGED)
    band = usual_band(forecasts)
    inside = (forecasts.observed >= band.lower) & (forecasts.observed <= band.upper)
    alarms = find_alarms(forecasts)
    beside = beside_siblings(forecasts)
    lost = [] if beside is None else find_alarms(beside[0])
    return Found(
        {alarm.name for alarm in alarms},
        {alarm.name for alarm in alarms if alarm.kind == "fell"},
        {alarm.name for alarm in lost if alarm.kind == "fell"},
        float(inside.mean()),
    )


def measure(
    shapes: tuple[Shape, ...], names: int, days: int, level: float, reports: int
) -> dict[str, float]:
    """Shares of reports: `false alone`, `false beside`, and `<days> alone`, `<days> beside`."""
    rng = np.random.default_rng(1)
    outcomes: dict[str, list[float]] = {}
    for _ in range(reports):
        counts = simulate(rng, shapes, names, days, level)
        quiet = judge(counts)
        outcomes.setdefault("false alone", []).append(bool(quiet.alone))
        outcomes.setdefault("false beside", []).append(bool(quiet.beside_fell))
        outcomes.setdefault("coverage", []).append(quiet.coverage)
        for lost in LOSS_DAYS:
            broken = counts.copy()
            broken[0, -lost:] = rng.binomial(counts[0, -lost:].astype(np.int64), 1 - LOST_SHARE)
            found = judge(broken)
            outcomes.setdefault(f"{lost} alone", []).append("event 0" in found.alone_fell)
            outcomes.setdefault(f"{lost} beside", []).append("event 0" in found.beside_fell)
    return {key: float(np.mean(values)) for key, values in outcomes.items()}


def main() -> None:
    """Print the table of docs/data-quality.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=100)
    parser.add_argument("--names", type=int, default=20)
    parser.add_argument("--days", type=int, default=196)
    parser.add_argument("--level", type=float, default=200)
    chosen = parser.parse_args()
    columns = ["false alone", "false beside", "coverage"]
    columns += [f"{lost} {how}" for lost in LOSS_DAYS for how in ("alone", "beside")]
    print(f"| stream | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for name, shapes in STREAMS.items():
        found = measure(shapes, chosen.names, chosen.days, chosen.level, chosen.reports)
        cells = " | ".join(f"{found[column]:.1%}" for column in columns)
        print(f"| {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
