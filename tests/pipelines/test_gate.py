"""Who may go live: better than the rule, and better than the champion, beyond doubt."""

import numpy as np
import pytest

from tidemill.evaluation import PairedDifference
from tidemill_pipelines.gate import LEVEL, Contest, GuardedSlice, Measure, decide
from tidemill_pipelines.promises import Promise, Promises

BETTER = PairedDifference(0.05, 0.01, 0.09)
LUCKY = PairedDifference(0.05, -0.01, 0.11)
EQUAL = PairedDifference(0.0, 0.0, 0.0)
WORSE = PairedDifference(-0.05, -0.09, -0.01)


def guarded(*differences):
    slices = [GuardedSlice(f"part {n}", 500, 60, each) for n, each in enumerate(differences)]
    return Contest(BETTER, guard=["property.part"], slices=slices)


@pytest.mark.parametrize(
    ("over_baseline", "over_champion", "promote", "because"),
    [
        (BETTER, None, True, "first model; better than recency alone"),
        (LUCKY, None, False, "not better than recency alone"),
        (EQUAL, None, False, "not better than recency alone"),
        (WORSE, None, False, "not better than recency alone"),
        (BETTER, BETTER, True, "better than the champion"),
        (BETTER, LUCKY, False, "not better than the champion beyond doubt"),
        (BETTER, EQUAL, False, "not better than the champion beyond doubt"),
        (BETTER, WORSE, False, "not better than the champion beyond doubt"),
        (LUCKY, BETTER, False, "not better than recency alone"),
        (WORSE, BETTER, False, "not better than recency alone"),
    ],
)
def test_the_gate_decides_by_the_lower_bound(over_baseline, over_champion, promote, because):
    """A point estimate would promote an equal challenger every second time."""
    contest = None if over_champion is None else Contest(over_champion)
    verdict = decide(over_baseline, contest)
    assert verdict.promote is promote
    assert verdict.reason.startswith(because)


def test_the_reason_holds_the_numbers():
    """Difference and interval, with their signs."""
    assert decide(LUCKY, None).reason.endswith("AUC +0.050, 90% interval -0.010 to +0.110")
    reason = decide(BETTER, Contest(BETTER)).reason
    assert reason.endswith("AUC +0.0500, with 97.5% confidence +0.0023 or more")


def test_what_cannot_be_computed_is_refused():
    """No number is no proof, neither against the rule nor against the champion."""
    unknown = PairedDifference(float("nan"), float("nan"), float("nan"))
    assert not decide(unknown, None).promote
    assert not decide(BETTER, Contest(unknown)).promote


def test_the_reason_names_the_measure_and_the_rule():
    """Those of a recommender are others."""
    reason = decide(BETTER, None, Measure("NDCG", "what is popular")).reason
    assert reason.startswith("first model; better than what is popular: NDCG +")


def test_a_margin_asks_for_more_than_none():
    """The bound must lie above it, and the refusal says what was asked for."""
    assert decide(BETTER, Contest(BETTER, margin=0.002)).promote
    refusal = decide(BETTER, Contest(BETTER, margin=0.01))
    assert not refusal.promote
    assert "+0.0100 is asked for" in refusal.reason


def test_the_level_is_shared_among_the_challengers_of_a_champion():
    """The k-th is judged at a k-th of it, so that asking often is not enough."""
    assert Contest(BETTER, earlier=3).level == LEVEL / 4
    assert decide(BETTER, Contest(BETTER)).promote
    fourth = decide(BETTER, Contest(BETTER, earlier=3))
    assert not fourth.promote
    assert fourth.reason.endswith("-0.0107 or more; challenger 4 of this champion")


def test_a_slice_that_got_worse_refuses():
    """By name, with users, outcomes and the loss that is certain."""
    verdict = decide(BETTER, guarded(BETTER, PairedDifference(-0.1, -0.13, -0.07)))
    assert not verdict.promote
    assert "worse for part 1 (500 users, 60 outcomes): AUC -0.100" in verdict.reason
    assert "part 0" not in verdict.reason


def test_a_slice_that_may_be_no_worse_is_let_pass():
    """Doubt about a part is no doubt about the whole, and losses below the tolerance are small."""
    small = PairedDifference(-0.004, -0.0041, -0.0039)
    verdict = decide(BETTER, guarded(LUCKY, PairedDifference(-0.05, -0.11, 0.01), small))
    assert verdict.promote
    assert verdict.reason.endswith("none of 3 guarded slices is worse")


def test_more_slices_need_more_doubt_each():
    """What refuses as the only slice may be chance as one of forty."""
    unlucky = PairedDifference(-0.05, -0.09, -0.01)
    assert not decide(BETTER, guarded(unlucky)).promote
    assert decide(BETTER, guarded(unlucky, *[EQUAL] * 39)).promote


def test_guarding_in_vain_is_said():
    """No slice with users enough: the challenger passes, and a person can see that none was."""
    reason = decide(BETTER, guarded()).reason
    assert reason.endswith("no slice of property.part has users and outcomes enough to compare")


def test_stricter_bounds_lie_further_out():
    """At 5% they are the bootstrap's own; elsewhere as far as a normal's quantiles say."""
    assert (BETTER.at_least(0.05), BETTER.at_most(0.05)) == pytest.approx((0.01, 0.09))
    assert BETTER.at_least(0.5) == pytest.approx(0.05)
    bounds = [BETTER.at_least(level) for level in (0.05, 0.025, 0.001)]
    assert np.all(np.diff(bounds) < 0)


TWICE = Promise(0.40, 0.35, 0.45)
"""More than twice what came true was promised."""
HALF = Promise(2.50, 2.20, 2.80)


@pytest.mark.parametrize(
    ("challenger", "champion", "promote"),
    [
        (Promise(1.0, 0.9, 1.1), None, True),
        (Promise(0.55, 0.51, 0.60), None, True),
        (Promise(0.40, 0.25, 0.55), None, True),  # perhaps by chance
        (Promise(2.50, 1.90, 3.20), None, True),
        (Promise(float("nan"), float("nan"), float("nan")), None, True),  # it promises nothing
        (TWICE, None, False),
        (HALF, None, False),
        (Promise(0.0, 0.0, 0.0), None, False),
        (TWICE, Promise(1.0, 0.9, 1.1), False),
        (TWICE, TWICE, False),
        (
            TWICE,
            Promise(0.30, 0.25, 0.35),
            True,
        ),  # the world has changed, and what is live is worse
        (TWICE, Promise(2.0, 1.9, 2.1), False),
    ],
)
def test_probabilities_that_nobody_can_believe_are_refused(challenger, champion, promote):
    """Beyond a factor of two without doubt, however good the order; but never for a worse one."""
    contest = None if champion is None else Contest(BETTER)
    verdict = decide(BETTER, contest, promises=Promises(challenger, champion))
    assert verdict.promote is promote
    assert ("cannot be believed" in verdict.reason) is not promote


def test_the_refusal_of_probabilities_has_their_numbers():
    """And says what to do where they do not matter."""
    reason = decide(BETTER, None, promises=Promises(TWICE, None)).reason
    assert "for each outcome predicted 0.40 happened, 90% interval 0.35 to 0.45" in reason
    assert "`tidemill promote`" in reason
