"""Volumes against their band: alarms where something is wrong, silence where nothing is."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill_monitoring.event_log.alarms import VolumeAlarm, find_alarms, usual_band
from tidemill_monitoring.event_log.arrivals import Arrivals
from tidemill_monitoring.event_log.forecasts import beside_siblings, forecast
from tidemill_monitoring.forecasting.regression import expect

BENCHMARK = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "data_quality.py"))
JUDGED, DAYS = 14, 126


def simulate(stream: str, names: int = 12, level: float = 200, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return BENCHMARK["simulate"](rng, BENCHMARK["STREAMS"][stream], names, DAYS, level)


def arrivals_of(counts: NDArray[np.float64]) -> Arrivals:
    names = tuple(f"e{number}" for number in range(len(counts)))
    return Arrivals(names, counts, np.ones((len(counts), JUDGED)), np.zeros(JUDGED))


def alarms_of(counts: NDArray[np.float64]) -> list[VolumeAlarm]:
    return find_alarms(forecast(arrivals_of(counts), JUDGED))


def lost_of(counts: NDArray[np.float64]) -> list[VolumeAlarm]:
    beside = beside_siblings(forecast(arrivals_of(counts), JUDGED))
    assert beside is not None
    return [alarm for alarm in find_alarms(beside[0]) if alarm.kind == "fell"]


@pytest.mark.parametrize("stream", ["stationary", "weekly, trending", "weekly, trending, noisy"])
def test_sound_streams_are_quiet(stream: str) -> None:
    """At most one of fifteen reports may raise an alarm; one in twenty is allowed on average."""
    noisy = sum(bool(alarms_of(simulate(stream, seed=seed))) for seed in range(15))
    assert noisy <= 1


def test_many_names_are_as_quiet_as_few() -> None:
    """200 names and 14 days are 2,800 chances to be wrong."""
    reports = [alarms_of(simulate("weekly, trending, noisy", 200, seed=seed)) for seed in range(3)]
    assert sum(len(report) for report in reports) <= 1


def test_a_lasting_loss_of_two_fifths_is_found() -> None:
    """Of an event with 200 a day, in at least nine of ten logs, wherever the weekdays lie."""
    found = 0
    for seed in range(10):
        counts = simulate("weekly, trending", seed=seed)
        counts[3, -4:] = np.floor(counts[3, -4:] * 0.6)
        found += [(a.name, a.kind, a.ongoing) for a in alarms_of(counts)] == [("e3", "fell", True)]
    assert found >= 9


def test_a_silent_day_is_found_and_its_neighbours_are_not_blamed() -> None:
    """The outage of one day is one day."""
    counts = simulate("weekly")
    counts[5, -6] = 0
    (alarm,) = alarms_of(counts)
    assert (alarm.name, alarm.days, alarm.ongoing) == ("e5", (JUDGED - 6,), False)


def test_a_tripled_day_is_a_rise() -> None:
    """Events sent twice, bots, campaigns."""
    counts = simulate("weekly")
    counts[0, -2] *= 3
    assert [(a.name, a.kind) for a in alarms_of(counts)] == [("e0", "rose")]


def test_holidays_of_the_past_neither_shift_nor_blow_the_band() -> None:
    """The expectation moves by less than 3%, and the loss is found all the same."""
    calm = simulate("weekly")
    eventful = calm.copy()
    eventful[:, [40, 70, 71, 95]] *= 4
    eventful[:, [55, 90]] = 0
    known = np.ones((len(calm), DAYS - JUDGED), dtype=bool)
    before, after = (expect(c[:, :-JUDGED], known, JUDGED) for c in (calm, eventful))
    assert np.abs(after / before - 1).max() < 0.03
    eventful[2, -3:] = np.floor(eventful[2, -3:] * 0.5)
    assert [alarm.name for alarm in alarms_of(eventful)] == ["e2"]


def test_a_weekend_is_no_loss() -> None:
    """An event that happens on two days a week is expected on those only."""
    rng = np.random.default_rng(0)
    rate = np.where(np.arange(DAYS) % 7 < 5, 0.0, 400.0)
    assert alarms_of(rng.poisson(np.tile(rate, (5, 1))).astype(float)) == []


def test_growth_is_expected_to_go_on() -> None:
    """A tenth more each week for months is no alarm at the end."""
    rate = 100 * np.exp(0.1 * np.arange(DAYS) / 7)
    counts = np.random.default_rng(0).poisson(np.tile(rate, (5, 1))).astype(float)
    assert alarms_of(counts) == []


def test_a_rare_event_has_a_band_that_holds() -> None:
    """At three events a day, no event for three days is chance, for two weeks is not."""
    counts = simulate("stationary", level=3)
    band = usual_band(forecast(arrivals_of(counts), JUDGED))
    assert band.lower.max() < 1
    counts[1, -3:] = 0
    assert not [alarm for alarm in alarms_of(counts) if alarm.name == "e1"]
    counts[1, -14:] = 0
    assert [alarm.name for alarm in alarms_of(counts)] == ["e1"]


def test_a_name_younger_than_four_weeks_is_not_judged() -> None:
    """Too few of each weekday are known."""
    counts = simulate("stationary")
    counts[0, : -JUDGED - 27] = 0
    assert "e0" not in forecast(arrivals_of(counts), JUDGED).names


def test_one_event_that_falls_is_told_from_a_fall_of_all() -> None:
    """Tracking breaks for one; demand falls for everybody."""
    alone, together = simulate("weekly"), simulate("weekly")
    alone[4, -3:] = np.floor(alone[4, -3:] * 0.5)
    together[:, -3:] = np.floor(together[:, -3:] * 0.5)
    assert [alarm.name for alarm in lost_of(alone)] == ["e4"]
    assert lost_of(together) == []
    assert len({alarm.name for alarm in alarms_of(together)}) == len(together)


def test_siblings_show_a_loss_that_shared_ups_and_downs_hide() -> None:
    """What all events have in common is taken out before one is judged."""
    found = 0
    for seed in range(6):
        counts = simulate("shared ups and downs", level=400, seed=seed)
        counts[0, -7:] = np.floor(counts[0, -7:] * 0.6)
        found += "e0" in {alarm.name for alarm in lost_of(counts)}
    assert found >= 5
