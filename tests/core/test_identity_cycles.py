"""Chains of users never lead back to where they began, however many there are."""

from time import process_time

import pytest

from tidemill.events.identity.cycles import choose_acyclic


def test_the_first_link_counts_and_no_circle_closes():
    """True: a link. False: it has one. None: it would lead back."""
    claims = [("a", "b"), ("b", "c"), ("a", "d"), ("c", "a"), ("c", "d"), ("d", "b")]
    assert list(choose_acyclic(claims)) == [True, True, False, None, True, None]


@pytest.mark.parametrize("step", [1, -1])
def test_a_long_chain_is_quick_in_either_order(step):
    """A hundred thousand links, told from its start or from its end."""
    claims = [(str(n), str(n + 1)) for n in range(100_000)][::step]
    started = process_time()
    assert all(choose_acyclic(claims))
    assert list(choose_acyclic([*claims, ("100000", "0")]))[-1] is None
    assert process_time() - started < 5
