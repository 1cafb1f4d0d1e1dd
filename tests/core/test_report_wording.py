"""What the report says in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tidemill.objective import Target
from tidemill.report import wording

FOUR_WEEKS = timedelta(days=28)


@pytest.mark.parametrize(
    ("target", "question"),
    [
        (Target("bought", {}, FOUR_WEEKS, False), "Will a user do bought within 28 days?"),
        (
            Target("bought", {"item.brand": "X", "property.kind": "y"}, timedelta(hours=12), False),
            "Will a user do bought where item.brand is X and property.kind is y within 12 hours?",
        ),
        (Target("bought", {}, FOUR_WEEKS, True), "Will a user go 28 days without bought?"),
        (
            Target(None, {}, timedelta(days=1), True),
            "Will a user go 1 day without any event?",
        ),
    ],
)
def test_the_objective_is_asked_as_a_question(target: Target, question: str) -> None:
    """A propensity asks whether it happens, a churn whether it stays away."""
    assert wording.question(target) == question


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.0%"), (0.0043, "0.43%"), (0.0216, "2.2%"), (0.137, "14%"), (1.0, "100%")],
)
def test_shares_keep_two_digits(share: float, text: str) -> None:
    """Rare outcomes are not rounded to nothing, common ones carry no false precision."""
    assert wording.percent(share) == text


@pytest.mark.parametrize("spell", [wording.percent, wording.lift, wording.number])
@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_number_that_does_not_exist_is_a_dash(spell, missing):
    """A lift without any outcome is neither 0 nor `nan`."""
    assert spell(missing) == wording.NOTHING


@pytest.mark.parametrize(("auc", "side"), [(0.8, "higher"), (0.2, "lower")])
def test_an_indicator_goes_with_the_outcome(auc: float, side: str) -> None:
    """It names the side that goes with the outcome and claims no more than that."""
    signal, words = wording.indicator("viewed where item.kind = a: b: days since the last one", auc)
    assert signal == "viewed where item.kind = a: b"
    assert words == f"{side} “days since the last one” goes with the outcome"


def test_backticks_become_code_after_escaping() -> None:
    """A name from somebody's log cannot bring its own markup."""
    assert wording.with_code("`<b>` stopped") == "<code>&lt;b&gt;</code> stopped"
