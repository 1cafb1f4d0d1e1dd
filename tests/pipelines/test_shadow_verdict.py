"""What live traffic must show before a challenger leaves the champion's shadow for its place."""

from dataclasses import replace

import pytest

from tidemill.evaluation import PairedDifference
from tidemill_pipelines.shadow_verdict import ShadowFacts, judge_shadow

SANE = ShadowFacts(
    answers=1_000,
    scored=990,
    users=400,
    not_finite=0,
    champion_distance=0.15,
    challenger_distance=0.18,
    champion_us=50,
    challenger_us=60,
    over_champion=None,
)


def test_a_sane_challenger_is_promoted():
    """And the reason says that outcomes are still to come."""
    verdict = judge_shadow(SANE)
    assert verdict.decision == "promote"
    assert verdict.reason == "sane for 400 users; too few outcomes are known yet to compare"


def test_too_little_traffic_lets_it_wait():
    """Nothing is known against it, and nothing for it."""
    verdict = judge_shadow(replace(SANE, users=99))
    expected = ("waits", "99 users were scored in the shadow, 100 are needed")
    assert (verdict.decision, verdict.reason) == expected


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"not_finite": 1}, "1 scores in the shadow are no numbers"),
        ({"scored": 900}, "only 900 of 1,000 answers could be scored"),
        ({"challenger_us": 1_500}, "takes 1,500 us a row, the champion 50"),
        ({"challenger_distance": 0.3}, "live scores lie 0.30 from those of the test window"),
        ({"over_champion": PairedDifference(-0.05, -0.08, -0.02)}, "worse than the champion"),
    ],
)
def test_each_fault_refuses(change, because):
    """In words, with the numbers."""
    verdict = judge_shadow(replace(SANE, **change))
    assert (verdict.decision, verdict.reason.startswith(because)) == ("refuse", True)


def test_users_unlike_the_test_window_are_no_fault():
    """Live traffic is not everybody: the champion's scores lie as far off."""
    far = replace(SANE, champion_distance=0.6, challenger_distance=0.65)
    assert judge_shadow(far).decision == "promote"


def test_doubt_about_outcomes_is_let_pass():
    """The gate has seen more of them; here it is enough not to be worse beyond doubt."""
    unsure = replace(SANE, over_champion=PairedDifference(-0.01, -0.04, 0.02))
    verdict = judge_shadow(unsure)
    assert verdict.decision == "promote"
    assert "AUC differs by -0.0100, 90% interval -0.0400 to +0.0200" in verdict.reason
