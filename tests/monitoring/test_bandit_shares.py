"""The shares a bandit's arms get next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from tidemill.experiments.running import Experiment, RunningArm
from tidemill_monitoring.experiments.findings import Finding, found
from tidemill_monitoring.experiments.looks import SequentialPlan
from tidemill_monitoring.experiments.metrics import Amount, Metric
from tidemill_monitoring.experiments.moments import Moments
from tidemill_monitoring.experiments.readings import read_bandit
from tidemill_monitoring.experiments.reallocating import next_shares

SHARES = [Decimal("0.5"), Decimal("0.3"), Decimal("0.2")]
ARMS = tuple(RunningArm(f"a{n}", share, "champion", None) for n, share in enumerate(SHARES))
BANDIT = Experiment(1, "shop", "shop-1", None, ARMS, datetime(2026, 3, 1, tzinfo=UTC), {})
CLICKS = Metric("clicks", "conversion", Amount("click", {}, None), None, timedelta(days=1), None)


def findings(rates: list[float], days: int = 5, a_day: float = 500) -> list[Finding]:
    """Of so many days on which every arm converted exactly as its rate says."""
    units = np.full((days, 3), a_day)
    hits = units * np.array(rates)
    moments = Moments(units, hits, hits[..., None], hits[..., None, None], hits)
    even = np.full((days, 3), 1 / 3)
    return found(CLICKS, read_bandit(moments, even, SequentialPlan(10_000)), 1.0)


def test_most_go_where_most_is_gained() -> None:
    """The others get their parts of the floor, and nobody is left over."""
    shares = next_shares(BANDIT, findings([0.05, 0.06, 0.12]))
    assert [float(share) for share in shares] == pytest.approx([0.05, 0.05, 0.9], abs=0.001)
    assert sum(shares) == 1


def test_equal_arms_stay_equal() -> None:
    """To the last hundredth of a percent, which one of them takes."""
    shares = next_shares(BANDIT, findings([0.1, 0.1, 0.1]))
    assert sorted(shares) == [Decimal("0.3333"), Decimal("0.3333"), Decimal("0.3334")]


def test_fewer_may_be_better() -> None:
    """Of returns, for example."""
    returned = replace(CLICKS, is_lower_better=True)
    seen = [replace(each, metric=returned) for each in findings([0.05, 0.06, 0.12])]
    shares = next_shares(BANDIT, seen)
    assert shares[0] > Decimal("0.7")
    assert shares[2] == Decimal("0.05")


def test_until_something_is_known_shares_are_the_declared_ones() -> None:
    """A handful of users would move them at random."""
    assert list(next_shares(BANDIT, findings([0.01, 0.01, 0.01], days=1))) == SHARES
