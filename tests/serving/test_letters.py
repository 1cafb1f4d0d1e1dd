"""The two ways to grade mean the same."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidemill.grading import grade, letters

SCORES = st.floats(0, 1)


@given(scores=st.lists(SCORES, min_size=1, max_size=20), cuts=st.tuples(SCORES, SCORES, SCORES))
def test_letters_of_plain_numbers_are_the_grades(scores, cuts):
    """Scores on a threshold included."""
    a, b, c = sorted(cuts, reverse=True)
    scores = [*scores, a, b, c]
    assert letters(scores, (a, b, c)) == grade(np.array(scores), (a, b, c)).tolist()
