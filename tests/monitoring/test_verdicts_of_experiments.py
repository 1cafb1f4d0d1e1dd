"""What follows from what an experiment's looks say."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill_monitoring.experiments.guardrails import Guard
from tidemill_monitoring.experiments.looks import SequentialPlan
from tidemill_monitoring.experiments.moments import Moments
from tidemill_monitoring.experiments.readings import Reading, read
from tidemill_monitoring.experiments.verdict import Answer, judge

PLAN = SequentialPlan(8000)
SAFE, UNSURE, HURT = ({"revenue": guard} for guard in (Guard.SAFE, Guard.UNDECIDED, Guard.HARMED))


def arm(rate: float, a_day: int = 1000) -> Moments:
    """Cumulative sums of four days of a conversion, exactly as expected."""
    units = a_day * np.arange(1, 5) * 1.0
    hits = np.round(units * rate)
    return Moments(units, hits, hits[:, None], hits[:, None, None], hits)


def reading(rate: float, plan: SequentialPlan = PLAN) -> Reading:
    """Of a treatment against a control of 10%."""
    return read([arm(0.1), arm(rate)], [plan])[0]


@pytest.mark.parametrize(
    ("rate", "units", "expected", "step"),
    [
        (0.15, 2000, Answer.BETTER, "promote"),
        (0.06, 2000, Answer.WORSE, "roll back"),
        (0.101, 2000, Answer.NO_DIFFERENCE_YET, "go on"),
        (0.101, 8000, Answer.NO_DIFFERENCE, "roll back"),
    ],
)
def test_the_primary_metric_decides(rate, units, expected, step) -> None:
    """Better goes on to everybody; worse, or no win by the planned size, goes."""
    found = judge(reading(rate), SAFE, units, is_mismatch=False)
    assert (found.answer, found.step) == (expected, step)


def test_less_may_be_better() -> None:
    """Of refunds, for example."""
    found = judge(reading(0.06), SAFE, 2000, is_mismatch=False, is_lower_better=True)
    assert (found.answer, found.step) == (Answer.BETTER, "promote")
    assert found.reason.startswith("-40.0% (-")


def test_a_win_waits_for_its_guardrails() -> None:
    """Until they are known to be safe, or the planned size is reached unhurt."""
    early = judge(reading(0.15), UNSURE, 2000, is_mismatch=False)
    assert (early.answer, early.step) == (Answer.BETTER, "go on")
    assert early.reason.endswith("; revenue may still be hurt")
    assert judge(reading(0.15), UNSURE, 8000, is_mismatch=False).step == "promote"


def test_a_hurt_guardrail_outweighs_a_win() -> None:
    """However large it is."""
    found = judge(reading(0.15), HURT, 2000, is_mismatch=False)
    assert (found.answer, found.step, found.reason) == (
        Answer.HARMFUL,
        "roll back",
        "revenue got worse",
    )


def test_a_broken_sample_ratio_cannot_be_won() -> None:
    """No effect can be believed, and more days do not mend it."""
    found = judge(reading(0.15), SAFE, 2000, is_mismatch=True)
    assert (found.answer, found.step) == (Answer.CANNOT_SAY, "roll back")


def test_nothing_is_said_of_too_few() -> None:
    """Before any look counts; if that is still so at the planned size, it stays so."""
    nothing = read([arm(0.001), arm(0.001)], [PLAN])[0]
    assert judge(nothing, SAFE, 2000, is_mismatch=False).step == "go on"
    assert judge(nothing, SAFE, 8000, is_mismatch=False).step == "roll back"


def test_what_has_no_end_is_never_over() -> None:
    """A holdout without a difference goes on."""
    endless = reading(0.101, SequentialPlan(8000, ends=False))
    found = judge(endless, SAFE, 80_000, is_mismatch=False)
    assert (found.answer, found.step) == (Answer.NO_DIFFERENCE_YET, "go on")


def test_the_lift_is_shown_with_its_bounds() -> None:
    """In percent of the control, signed."""
    shown = judge(reading(0.15), SAFE, 2000, is_mismatch=False).reason
    assert shown.startswith("+50.0% (+")
