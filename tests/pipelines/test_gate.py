"""Who may go live: better than the rule, and better than the champion, beyond doubt."""

import pytest

from tidemill.evaluation import PairedDifference
from tidemill_pipelines.gate import Measure, Promise, Promises, decide

BETTER = PairedDifference(0.05, 0.01, 0.09)
LUCKY = PairedDifference(0.05, -0.01, 0.11)
EQUAL = PairedDifference(0.0, 0.0, 0.0)
WORSE = PairedDifference(-0.05, -0.09, -0.01)


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
    verdict = decide(over_baseline, over_champion)
    assert verdict.promote is promote
    assert verdict.reason.startswith(because)


def test_the_reason_holds_the_numbers():
    """Difference and interval, with their signs."""
    reason = decide(LUCKY, None).reason
    assert reason.endswith("AUC +0.050, 90% interval -0.010 to +0.110")


def test_what_cannot_be_computed_is_refused():
    """No number is no proof, neither against the rule nor against the champion."""
    unknown = PairedDifference(float("nan"), float("nan"), float("nan"))
    assert not decide(unknown, None).promote
    assert not decide(BETTER, unknown).promote


def test_the_reason_names_the_measure_and_the_rule():
    """Those of a recommender are others."""
    reason = decide(BETTER, None, Measure("NDCG", "what is popular")).reason
    assert reason.startswith("first model; better than what is popular: NDCG +")


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
    over_champion = None if champion is None else BETTER
    verdict = decide(BETTER, over_champion, promises=Promises(challenger, champion))
    assert verdict.promote is promote
    assert ("cannot be believed" in verdict.reason) is not promote


def test_the_refusal_of_probabilities_has_their_numbers():
    """And says what to do where they do not matter."""
    reason = decide(BETTER, None, promises=Promises(TWICE, None)).reason
    assert "for each outcome predicted 0.40 happened, 90% interval 0.35 to 0.45" in reason
    assert "`tidemill promote`" in reason
