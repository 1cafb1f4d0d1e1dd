"""Segments are watched for growing, shrinking and exchanging users."""

import pytest

from tidemill.segmentation.bundle import Segment
from tidemill_monitoring.segmenting.drift import judge_segment_drift
from tidemill_monitoring.verdicts import Status

SEGMENTS = {
    name: Segment(id=name, name=f"kind {name}", share=share, users=0, jaccard=0.9)
    for name, share in (("S1", 0.6), ("S2", 0.4))
}


def users(first, second, start=0):
    """So many users of S1, then of S2."""
    names = ["S1"] * first + ["S2"] * second
    return {f"u{start + at}": name for at, name in enumerate(names)}


def judged(first, second, before=None):
    return judge_segment_drift(SEGMENTS, before or {}, users(first, second))


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (600, 400, Status.OK),
        (560, 440, Status.OK),
        (440, 560, Status.WATCH),
        (300, 700, Status.ACT),
    ],
)
def test_shares_are_compared_with_those_of_training(first, second, status):
    """By the population stability index and its usual limits."""
    assert judged(first, second).status is status


def test_chance_is_no_drift():
    """Ten segments of two hundred users differ by so much every other day."""
    segments = {
        f"S{at}": Segment(id=f"S{at}", name="", share=0.1, users=0, jaccard=0.9) for at in range(10)
    }
    counts = [29, 11, 27, 13, 25, 15, 22, 18, 20, 20]
    now = [name for name, count in zip(segments, counts, strict=True) for _ in range(count)]
    verdict = judge_segment_drift(segments, {}, dict(zip(map(str, range(200)), now, strict=True)))
    assert verdict.evidence["psi"] > 0.07
    assert verdict.evidence["p_value"] > 0.01
    assert verdict.status is Status.OK


def test_too_few_answers_decide_nothing():
    """And the sentence says how many are needed."""
    verdict = judged(100, 99)
    assert verdict.status is Status.UNDECIDED
    assert "199 users" in verdict.sentence


def test_users_who_moved_are_counted():
    """Those who were there at training, by where they went."""
    verdict = judged(600, 400, before=users(500, 500))
    assert (verdict.evidence["known_users"], verdict.evidence["moved_users"]) == (1000, 100)
    assert verdict.evidence["flows"] == [{"from": "S2", "to": "S1", "users": 100}]


def test_a_segment_that_lost_everybody_still_has_an_index():
    """No logarithm of nothing."""
    verdict = judged(1000, 0)
    assert verdict.status is Status.ACT
    assert verdict.evidence["psi"] > 1
