"""Grades A to D are shares of the population that is scored."""

import numpy as np
import pytest

from tidemill.grading import grade, grade_thresholds, letters

SHARES = (0.1, 0.2, 0.3)


def test_grades_hold_their_shares():
    """A tenth A, a fifth B, three tenths C, the rest D."""
    scores = np.random.default_rng(0).random(1000)
    letters, counts = np.unique(grade(scores, grade_thresholds(scores, SHARES)), return_counts=True)
    assert dict(zip(letters, counts, strict=True)) == {"A": 100, "B": 200, "C": 300, "D": 400}


def test_a_better_grade_means_a_higher_score():
    """Grades never cross."""
    scores = np.random.default_rng(1).random(200)
    letters = grade(scores, grade_thresholds(scores, SHARES))
    assert letters[np.argsort(-scores)].tolist() == sorted(letters)


@pytest.mark.parametrize(
    ("score", "letter"),
    [(1.0, "A"), (0.9, "A"), (0.89, "B"), (0.7, "B"), (0.5, "C"), (0.49, "D"), (0.0, "D")],
)
def test_a_score_on_the_threshold_gets_the_better_letter(score, letter):
    """Thresholds are the lowest score of their grade."""
    assert grade(np.array([score]), (0.9, 0.7, 0.5)).tolist() == [letter]


def test_equal_scores_share_a_grade():
    """When everybody scores the same, nobody is told apart."""
    scores = np.full(50, 0.2)
    assert set(grade(scores, grade_thresholds(scores, SHARES))) == {"A"}


def test_nobody_has_no_grade():
    """An empty batch is fine."""
    assert grade(np.empty(0), (0.9, 0.7, 0.5)).tolist() == []


def test_the_quick_way_gives_the_same_letters():
    """Requests are graded without NumPy; on thresholds and between them it must not matter."""
    thresholds = (0.9, 0.7, 0.5)
    scores = np.concatenate([np.linspace(0, 1, 101), thresholds])
    assert letters(scores.tolist(), thresholds) == grade(scores, thresholds).tolist()
