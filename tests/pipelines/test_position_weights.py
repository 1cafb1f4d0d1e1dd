"""Position weights: estimated from swaps, refused where little can be said, applied to interest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from tidemill.objective import Objective
from tidemill.recommendation.interests import interests_of
from tidemill.recommendation.shown import Shown
from tidemill_features.interests import compute_histories
from tidemill_pipelines.position_bias.answers import read_answers
from tidemill_pipelines.position_bias.weights import position_weights

ITEMS = 6
INTEREST = np.linspace(0.25, 0.75, ITEMS)
"""Of items 0, 1, ...; lists show them in this order, the least interesting first."""
_CHOICE = """recommendation:
    event: order
    within: 14d
    interest: [{event: view, weight: 0.5}]
    exposures: {event: impression, position: property.position, clicked: view}"""


@pytest.fixture
def objective(objective_of: Callable[..., Objective]) -> Objective:
    return objective_of(_CHOICE)


@pytest.fixture
def log_with(events_of: Callable[..., Any], con_of: Callable[..., Any]) -> Callable[..., Any]:
    """`log_with(eta, days=20)`: 100 users see one list a day, and look at position k with k^-eta.

    They are known from an order long before.

    In a quarter of the lists the first item has changed places with another one.
    """

    def build(eta: float, days: int = 20, swaps: float = 0.25, personal: bool = False) -> Any:
        rng = np.random.default_rng(0)
        rows = []
        for user in range(100):
            taste = rng.permutation(INTEREST) if personal else INTEREST
            usual = list(np.argsort(-taste)) if personal else list(range(ITEMS))
            known = {"user": f"u{user}", "item": "i0", "id": f"known-{user}", "days_ago": 90}
            rows.append(known)
            for day in range(days):
                rows += _shown(user, day, _arranged(usual, swaps, rng), taste, eta, rng)
        return con_of(events_of(*rows))

    return build


def test_weights_undo_the_bias(
    log_with: Callable[..., Any], objective: Objective, cutoff: Any
) -> None:
    """Items that one user saw at several positions tell how often positions are looked at."""
    weights, _ = position_weights(log_with(eta=1), objective, cutoff)
    assert weights is not None
    np.testing.assert_allclose(weights.weights, range(1, ITEMS + 1), rtol=0.3)


def test_weighted_interest_orders_items_by_what_is_liked(
    log_with: Callable[..., Any], objective: Objective, cutoff: Any
) -> None:
    """Clicks alone favour what stood first; weighed clicks favour what is liked."""
    con = log_with(eta=1)
    weights, _ = position_weights(con, objective, cutoff)
    naive = _interest(con, interests_of(objective), cutoff)
    weighted = _interest(con, interests_of(objective, weights), cutoff)
    assert np.argmax(naive) == 0
    assert np.corrcoef(weighted, INTEREST)[0, 1] > 0.95


def test_without_bias_there_is_nothing_to_weigh(
    log_with: Callable[..., Any], objective: Objective, cutoff: Any
) -> None:
    """A log in which positions do nothing gets no weights worth the name."""
    weights, sentence = position_weights(log_with(eta=0), objective, cutoff)
    assert weights is None, weights
    assert "no position bias" in sentence


def test_few_swaps_are_refused_with_their_number(
    log_with: Callable[..., Any], objective: Objective, cutoff: Any
) -> None:
    """The sentence says how many clicks there were and how many are needed."""
    weights, sentence = position_weights(log_with(eta=1, days=2, swaps=0.1), objective, cutoff)
    assert weights is None
    assert "100 are needed" in sentence


def test_personal_lists_are_not_compared_across_users(
    log_with: Callable[..., Any], objective: Objective, cutoff: Any
) -> None:
    """Where everybody sees first what they like, the same item tells nothing across users."""
    con = log_with(eta=1, swaps=0, personal=True)
    weights, sentence = position_weights(con, objective, cutoff)
    assert weights is None
    assert "0 clicks on items that strangers saw at several positions" in sentence


def test_strangers_are_compared_with_each_other(
    events_of: Callable[..., Any], con_of: Callable[..., Any], objective: Objective, cutoff: Any
) -> None:
    """Lists of users of whom nothing was known cannot be personal."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(2_000):
        listed = _arranged(list(range(ITEMS)), 0.25, rng)
        rows += _shown(user, 1, listed, INTEREST, 1, rng)
    weights, sentence = position_weights(con_of(events_of(*rows)), objective, cutoff)
    assert weights is not None
    assert "strangers" in sentence
    np.testing.assert_allclose(weights.weights[:3], [1, 2, 3], rtol=0.3)


def test_randomised_lists_are_believed_first(
    log_with: Callable[..., Any], objective: Objective, cutoff: Any
) -> None:
    """The prediction log says which items changed places by chance."""
    con = log_with(eta=1)
    weights, sentence = position_weights(con, objective, cutoff, _as_served(con))
    assert weights is not None
    assert "changed places at random" in sentence
    np.testing.assert_allclose(weights.weights, range(1, ITEMS + 1), rtol=0.3)


def test_both_items_that_changed_places_are_put_back() -> None:
    """Each row knows where the ranking had meant its item to stand."""
    usual = [f"i{number}" for number in range(ITEMS)]
    swapped = ["i3", "i1", "i2", "i0", "i4", "i5"]
    answers = read_answers([_served("u1", 1, usual), _served("u2", 2, swapped)])
    assert answers.intended.tolist() == [1, 2, 3, 4, 5, 6, 4, 2, 3, 1, 5, 6]
    assert answers.position.tolist() == [1, 2, 3, 4, 5, 6] * 2
    np.testing.assert_allclose(answers.randomised, 0.25)


@pytest.mark.parametrize(
    ("position", "reason"),
    [("0", "the first position must be 1"), ('"top"', "no event"), ("-3", "no event")],
)
def test_positions_that_are_none_are_refused(
    events_of: Callable[..., Any],
    con_of: Callable[..., Any],
    objective: Objective,
    cutoff: Any,
    position: str,
    reason: str,
) -> None:
    """Only whole numbers from 1 on are positions."""
    shown = {"name": "impression", "item": "i1", "properties": f'{{"position": {position}}}'}
    others = [{**shown, "days_ago": day} for day in range(1, 9)]
    first = {**shown, "properties": '{"position": 1}', "days_ago": 20, "item": "i2"}
    con = con_of(events_of(*others, *([first] if position == "0" else [])))
    weights, sentence = position_weights(con, objective, cutoff)
    assert weights is None
    assert reason in sentence


def test_an_answer_that_is_no_interest_is_refused(
    objective_of: Callable[..., Objective], log_with: Callable[..., Any], cutoff: Any
) -> None:
    """Weights would have nothing to weigh."""
    objective = objective_of(_CHOICE.replace("clicked: view", "clicked: tap"))
    _, sentence = position_weights(log_with(eta=1, days=1), objective, cutoff)
    assert "'tap' answers being shown, and is not declared as interest" in sentence


def test_what_was_not_known_yet_does_not_count(
    log_with: Callable[..., Any], objective: Objective, cutoff: Any
) -> None:
    """Weights as of an instant are the same whatever happened later."""
    earlier = cutoff - timedelta(days=5.5)
    con = log_with(eta=1)
    before = position_weights(con, objective, earlier)
    con.execute("CREATE TABLE kept AS SELECT * FROM user_events WHERE timestamp < $1", [earlier])
    con.execute("CREATE OR REPLACE VIEW user_events AS FROM kept")
    assert position_weights(con, objective, earlier) == before


def _arranged(usual: list[int], swaps: float, rng: np.random.Generator) -> list[int]:
    listed = list(usual)
    if rng.random() < swaps:
        other = int(rng.integers(1, len(listed)))
        listed[0], listed[other] = listed[other], listed[0]
    return listed


def _shown(
    user: int, day: int, listed: list[int], taste: Any, eta: float, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """One list, and what was looked at and liked, a minute later."""
    rows: list[dict[str, Any]] = []
    for position, item in enumerate(listed, start=1):
        who = {"user": f"u{user}", "item": f"i{item}"}
        at = day + 1 + 0.001 * position
        shown = {"name": "impression", "properties": f'{{"position": {position}}}'}
        rows.append({**who, **shown, "days_ago": at})
        if rng.random() < position**-eta * taste[item]:
            rows.append({**who, "name": "view", "days_ago": at - 0.0005})
    return [{**row, "id": f"{user}-{day}-{n}"} for n, row in enumerate(rows)]


def _interest(con: Any, definition: Any, cutoff: Any) -> Any:
    """Total interest in each item, over all users."""
    total = np.zeros(ITEMS)
    for _, _, history in compute_histories(con, definition, cutoff):
        for item, facts in zip(history.items, history.facts, strict=True):
            total[int(item[1:])] += facts[4]
    return total


def _as_served(con: Any) -> list[Shown]:
    """The lists of the log as a server would have logged them, with the chances of a quarter."""
    rows = con.execute(
        "SELECT user_id, min(epoch_us(timestamp)), list(item_id ORDER BY timestamp DESC) "
        "FROM user_events WHERE name = 'impression' GROUP BY user_id, split_part(event_id, '-', 2)"
    ).fetchall()
    return [_served(user, at_us, listed) for user, at_us, listed in rows]


def _served(user: str, at_us: int, listed: list[str]) -> Shown:
    others = ITEMS - 1
    place = listed.index("i0")
    probabilities = [0.75, *[1 - 0.25 / others] * others]
    if place:
        probabilities[0] = probabilities[place] = 0.25 / others
    return Shown(
        prediction_id=f"{user}-{at_us}",
        requested_at=at_us,
        objective="orders",
        model_version="1",
        users=[user],
        cutoffs=np.zeros(1, np.int64),
        checksums=[0],
        cold_start=np.ones(1, np.bool_),
        items=[listed],
        scores=[[-float(item[1:]) for item in listed]],
        probabilities=[probabilities],
        k=ITEMS,
        filters={},
        exclude=[],
    )
