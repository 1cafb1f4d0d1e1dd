"""Missing periods, and events that start or stop in the middle, are found; rhythms are not."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from tidemill.objective import Target
from tidemill_pipelines.assessing.daily import Daily, read_daily
from tidemill_pipelines.assessing.gaps import find_gaps, judge_gaps
from tidemill_pipelines.assessing.instrumentation import judge_instrumentation
from tidemill_pipelines.windows import Windows

DAYS = 200
FIRST = date(2024, 1, 1)
MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)
WITHIN = timedelta(days=14)
WINDOWS = Windows(
    train=(MIDNIGHT + timedelta(days=120), MIDNIGHT + timedelta(days=134)),
    test=MIDNIGHT + timedelta(days=162),
)
ORDERS = Target("order", {}, WITHIN, absent=False)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def daily(**counts):
    """Days from FIRST on, by event name."""
    table = np.array(list(counts.values()), dtype=np.float64)
    return Daily(FIRST, tuple(counts), table, table.sum(axis=0))


def test_a_lost_week_is_found_and_names_the_windows_it_hits(rng):
    """With the events that are usual, and the cutoff whose outcomes reach into it."""
    total = rng.poisson(40, DAYS)
    total[125:132] = 0
    found = judge_gaps(daily(visit=total), ORDERS, WINDOWS)[0]
    assert found.level == "warning"
    assert "2024-05-05 to 2024-05-11" in found.seen
    assert found.seen.endswith("from 2024-04-30.")


def test_lost_outcomes_are_found_where_all_else_went_on(rng):
    """Fifty orders are too few to leave a hole in the whole."""
    order = rng.poisson(8, DAYS)
    order[125:132] = 0
    log, own = judge_gaps(daily(visit=rng.poisson(90, DAYS), order=order), ORDERS, WINDOWS)
    assert (log.level, own.level) == ("ok", "warning")
    assert own.check == "outcome-gaps"


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("rate", [0.05, 1, 40])
def test_chance_is_no_gap(seed, rate):
    """Nor are sparse logs, in which most days are empty."""
    assert find_gaps(np.random.default_rng(seed).poisson(rate, 400).astype(float)) == []


def test_weekends_are_no_gaps(rng):
    """Two empty days a week are usual for a shop that is closed then."""
    total = rng.poisson(60, DAYS) * (np.arange(DAYS) % 7 < 5)
    assert find_gaps(total.astype(float)) == []


def test_growth_from_nothing_is_no_gap():
    """The quiet weeks at the beginning have nothing before them."""
    assert find_gaps(np.floor(np.exp(np.arange(DAYS) / 25))) == []


def test_a_log_that_ended_early_has_a_gap_at_its_end(rng):
    """Its last days are compared with those before alone."""
    total = rng.poisson(40, DAYS).astype(float)
    total[-10:] = 0
    (gap,) = find_gaps(total)
    assert (gap.start, gap.end) == (DAYS - 10, DAYS)


def test_bursts_are_the_logs_rhythm():
    """A monthly mailing is followed by silence, again and again."""
    total = np.zeros(DAYS)
    total[::20], total[1::20] = 500, 300
    assert judge_gaps(daily(open=total), ORDERS, WINDOWS)[0].level != "warning"


def test_an_event_that_starts_after_the_first_cutoff_is_told(rng):
    """Older training rows say that nobody did it."""
    search = rng.poisson(20, DAYS) * (np.arange(DAYS) >= 130)
    found = judge_instrumentation(
        daily(visit=rng.poisson(40, DAYS), search=search), ORDERS, WINDOWS
    )
    assert found.level == "warning"
    assert "`search` started on 2024-05-10" in found.seen


def test_an_event_that_started_before_all_that_is_learnt_is_no_matter(rng):
    """Every training row has seen it."""
    search = rng.poisson(20, DAYS) * (np.arange(DAYS) >= 50)
    found = judge_instrumentation(
        daily(visit=rng.poisson(40, DAYS), search=search), ORDERS, WINDOWS
    )
    assert found.level == "ok"


def test_an_event_that_stopped_is_told(rng):
    """A model would wait for it."""
    search = rng.poisson(20, DAYS) * (np.arange(DAYS) < 170)
    found = judge_instrumentation(
        daily(visit=rng.poisson(40, DAYS), search=search), ORDERS, WINDOWS
    )
    assert "`search` stopped on 2024-06-18" in found.seen


def test_outcomes_that_were_not_recorded_throughout_block(rng):
    """The oldest training window would hold non-outcomes that are none."""
    order = rng.poisson(20, DAYS) * (np.arange(DAYS) >= 140)
    found = judge_instrumentation(daily(visit=rng.poisson(40, DAYS), order=order), ORDERS, WINDOWS)
    assert found.level == "blocking"


@pytest.mark.parametrize("seed", range(20))
def test_rare_events_start_late_by_chance(seed):
    """An event of every third week may be seen first in the second month."""
    rng = np.random.default_rng(seed)
    log = daily(visit=rng.poisson(40, DAYS), refund=np.r_[np.ones(1), rng.poisson(0.05, DAYS - 1)])
    assert judge_instrumentation(log, ORDERS, WINDOWS).level == "ok"


def test_days_are_counted_from_the_log(events_of, con_of, cutoff):
    """Whole days before the instant, by name, the most frequent first."""
    rows = [{"name": "visit", "days_ago": d} for d in (1, 1, 3)] + [{"days_ago": 2}]
    found = read_daily(con_of(events_of(*rows)), cutoff)
    assert found.names == ("visit", "order")
    assert found.counts.tolist() == [[1, 0, 2], [0, 1, 0]]
    assert found.day(0) == (cutoff - timedelta(days=3)).date()
