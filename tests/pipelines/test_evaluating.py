"""The evaluation beside scikit-learn's numbers."""

import json

import numpy as np
import pytest
from sklearn import metrics as sklearn

from tidemill_features.catalog import Catalog, Signal
from tidemill_pipelines.dataset import Rows
from tidemill_pipelines.evaluate import evaluate, grade_lift, precision_recall_curve, roc_curve

CATALOG = Catalog((Signal(None), Signal("order")))
SHARES = (0.1, 0.2, 0.3)


@pytest.fixture(scope="module")
def test_rows():
    """500 users; `order__count_28d` drives the label, everything else is noise."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, len(CATALOG.names))).astype(np.float32)
    vectors[rng.random(vectors.shape) < 0.1] = np.nan
    driver = CATALOG.names.index("order__count_28d")
    vectors[:, driver] = rng.poisson(2, 500)
    labels = rng.random(500) < 1 / (1 + np.exp(2 - vectors[:, driver]))
    users = np.array([f"u{n}" for n in range(500)])
    return Rows(users, np.zeros(500, dtype=np.int64), labels, vectors, CATALOG.names)


@pytest.fixture(scope="module")
def scores(test_rows):
    return 1 / (1 + np.exp(2 - test_rows.column("order__count_28d").astype(float)))


@pytest.fixture(scope="module")
def evaluation(test_rows, scores):
    baseline = np.random.default_rng(1).random(500)
    champion = ("3", scores * 0.9)
    return evaluate(test_rows, scores, baseline, champion, SHARES, CATALOG, seed=0)


def test_metrics_are_those_of_scikit_learn(evaluation, test_rows, scores):
    """AUC, average precision and log loss."""
    labels, found = test_rows.labels, evaluation.metrics
    assert found["auc"] == pytest.approx(sklearn.roc_auc_score(labels, scores))
    expected = sklearn.average_precision_score(labels, scores)
    assert found["average_precision"] == pytest.approx(expected)
    assert found["log_loss"] == pytest.approx(sklearn.log_loss(labels, scores))


def test_shares_of_the_window_are_told(evaluation, test_rows, scores):
    """How many users, how many positives, and how many the scores promised."""
    found = evaluation.metrics
    assert (found["users"], found["base_rate"]) == (500, test_rows.labels.mean())
    promised = scores.sum() / test_rows.labels.sum()
    assert found["predicted_over_observed"] == pytest.approx(promised)


def test_a_rescaled_champion_is_no_worse(evaluation):
    """The comparison is of rankings, on the same rows."""
    assert evaluation.champion_version == "3"
    assert evaluation.over_champion.difference == 0
    assert evaluation.over_baseline.lower > 0.1


def test_without_a_champion_nothing_is_compared(test_rows, scores):
    """The first model of an objective."""
    alone = evaluate(test_rows, scores, scores, None, SHARES, CATALOG, seed=0)
    assert (alone.over_champion, alone.champion_version) == (None, None)


def test_the_driver_is_the_first_indicator(evaluation):
    """One feature per signal, strongest first."""
    found = evaluation.curves["indicators"]
    assert found[0]["feature"] == "order__count_28d"
    assert found[0]["auc"] > 0.6
    assert len(found) == len(CATALOG.signals)


def test_curves_lie_on_scikit_learns(test_rows, scores):
    """The area under the drawn points is the area itself."""
    false, true = roc_curve(test_rows.labels, scores)
    assert sklearn.auc(false, true) == pytest.approx(
        sklearn.roc_auc_score(test_rows.labels, scores)
    )
    assert ((false[0], true[0]), (false[-1], true[-1])) == ((0, 0), (1, 1))
    recalls, precisions = precision_recall_curve(test_rows.labels, scores)
    assert (recalls[-1], precisions[-1]) == (1, pytest.approx(test_rows.labels.mean()))


def test_better_grades_have_more_lift(evaluation):
    """A above B above C above D; everybody together is 1."""
    lift = grade_lift(evaluation)
    assert sorted(lift.values(), reverse=True) == list(lift.values())


def test_an_evaluation_survives_json(evaluation):
    """It travels between steps as a file."""
    text = json.dumps(evaluation.to_json())
    assert json.loads(text)["over_baseline"]["lower"] == evaluation.over_baseline.lower
