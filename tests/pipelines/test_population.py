"""Whom an objective speaks about, and the simple rule its model has to beat."""

import numpy as np
import pytest

from tidemill.bundle import PopulationRule, RecencyRule
from tidemill_pipelines.population import baseline_scores, population_rule

RECENCY = np.array([1, 90, 91, np.nan], dtype=np.float32)


def test_anybody_active_may_convert(objective_of):
    """Any event in the last 90 days."""
    rule = population_rule(objective_of())
    assert rule == PopulationRule(feature="any__days_since_last", max_days=90)


def test_only_those_who_did_it_can_stop(objective_of):
    """Churn from ordering is about people who ordered."""
    rule = population_rule(objective_of("churn: {event: order, within: 14d}"))
    assert rule.feature == "order__days_since_last"


def test_the_border_is_inside_and_never_is_outside():
    """90 days is within 90 days; no event at all is not."""
    rule = PopulationRule(feature="any__days_since_last", max_days=90)
    assert rule.contains(RECENCY).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("target", "order"),
    [
        ("propensity: {event: order, within: 7d}", [0, 1, 2, 3]),
        ("churn: {within: 7d}", [3, 2, 1, 0]),
    ],
)
def test_the_simple_rule_is_recency(objective_of, target, order):
    """Who did it last will do it again; who never did comes last. For churn, the reverse."""
    scores = baseline_scores(objective_of(target), RECENCY)
    assert np.argsort(-scores).tolist() == order


@pytest.mark.parametrize("target", ["propensity: {event: a, within: 7d}", "churn: {within: 7d}"])
def test_the_rule_in_a_bundle_ranks_as_the_rule_to_beat(objective_of, target):
    """What an experiment's arm is served is what the gate has compared the model with."""
    objective = objective_of(target)
    rule = RecencyRule(feature="any__days_since_last", absent=objective.target.absent)
    scores = rule.scores(RECENCY)
    wanted = baseline_scores(objective, RECENCY)
    assert np.argsort(-scores).tolist() == np.argsort(-wanted).tolist()
    assert ((scores >= 0) & (scores <= 1)).all()
