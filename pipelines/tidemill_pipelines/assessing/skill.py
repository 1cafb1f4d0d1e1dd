"""What the cheap model and the best one-line rule reach on windows later than those learnt from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import PairedDifference, paired_bootstrap, roc_auc
from tidemill_features.catalog import Catalog, Feature, Signal
from tidemill_features.instants import in_microseconds
from tidemill_pipelines.assessing.learning_curve import Curve, measure
from tidemill_pipelines.assessing.linear import fit_linear, linear_scores, model_inputs
from tidemill_pipelines.assessing.material import Material
from tidemill_pipelines.dataset import Rows
from tidemill_pipelines.population import baseline_feature, target_signal

_EARLIER = 2
"""Training windows that are judged too, by what had closed before them: they tell a weak signal
from none where the test window alone is too small."""


@dataclass(frozen=True)
class Rule:
    """Rank users by one feature."""

    feature: Feature
    is_low_first: bool

    def scores(self, rows: Rows) -> NDArray[np.float64]:
        """Missing counts as the largest: the longest time, the longest gap."""
        column = rows.column(self.feature.name).astype(np.float64)
        known = np.where(np.isnan(column), np.finfo(np.float32).max, column)
        return -known if self.is_low_first else known

    def __str__(self) -> str:
        return f"`{self.feature.name}`, {'lowest' if self.is_low_first else 'highest'} first"


@dataclass(frozen=True)
class Judged:
    """One window; scores are of its rows, by what was learnt before it."""

    labels: NDArray[np.bool_]
    model: NDArray[np.float64]
    rule: NDArray[np.float64]

    @property
    def model_auc(self) -> float:
        return roc_auc(self.labels, self.model)

    @property
    def rule_auc(self) -> float:
        return roc_auc(self.labels, self.rule)


@dataclass(frozen=True)
class Skill:
    """Of the cheap model and the rule."""

    test: Judged
    earlier: list[Judged]
    to_beat: Rule
    """What a model has to pay for: the better, on the test window, of the rule that was best on
    the training windows and the gate's own."""
    scores_to_beat: NDArray[np.float64]
    """Scores of `to_beat` on the test window."""
    gap: PairedDifference
    """On the test window, AUC of the model minus that of `to_beat`."""
    curve: Curve | None


def measure_skill(material: Material) -> Skill:
    """Fit on the training windows, judge on the test window, and draw the learning curve."""
    train, test = material.train, material.test
    seed = material.objective.spec.training.seed
    inputs, test_inputs = model_inputs(train.vectors, test.vectors)
    model = linear_scores(test_inputs, fit_linear(inputs, train.labels))
    rules = _rules(material)
    rule = _best(rules, train)
    judged = Judged(test.labels, model, rule.scores(test))
    to_beat = _best([rule, _of_the_gate(material)], test)
    scores_to_beat = to_beat.scores(test)
    return Skill(
        test=judged,
        earlier=_judge_earlier(material, rules),
        to_beat=to_beat,
        scores_to_beat=scores_to_beat,
        gap=paired_bootstrap(test.labels, model, scores_to_beat, test.users, seed=seed),
        curve=measure(train, test, inputs, test_inputs, seed),
    )


def part_of(rows: Rows, chosen: NDArray[np.bool_]) -> Rows:
    """The rows where `chosen` [n] is true."""
    return replace(
        rows,
        users=rows.users[chosen],
        cutoffs=rows.cutoffs[chosen],
        labels=rows.labels[chosen],
        vectors=rows.vectors[chosen],
    )


def _judge_earlier(material: Material, rules: list[Rule]) -> list[Judged]:
    rows, windows = material.train, material.windows
    within = material.objective.target.within
    found = []
    for cutoff in windows.train[::-1][:_EARLIER]:
        closed = [each for each in windows.train if each + within <= cutoff]
        before = part_of(rows, np.isin(rows.cutoffs, [in_microseconds(each) for each in closed]))
        held = part_of(rows, rows.cutoffs == in_microseconds(cutoff))
        if _has_both(before) and _has_both(held):
            inputs, held_inputs = model_inputs(before.vectors, held.vectors)
            model = linear_scores(held_inputs, fit_linear(inputs, before.labels))
            found.append(Judged(held.labels, model, _best(rules, before).scores(held)))
    return found


def _rules(material: Material) -> list[Rule]:
    """Every feature of the target's own history or of all activity, either way round."""
    catalog: Catalog = material.catalog
    signals = {target_signal(material.objective).name, Signal(None).name}
    features = [each for each in catalog.features if each.signal.name in signals]
    return [Rule(feature, low) for feature in features for low in (True, False)]


def _of_the_gate(material: Material) -> Rule:
    """Recency alone: what every challenger has to beat."""
    name = baseline_feature(material.objective)
    feature = next(each for each in material.catalog.features if each.name == name)
    return Rule(feature, is_low_first=not material.objective.target.absent)


def _best(rules: list[Rule], rows: Rows) -> Rule:
    return max(rules, key=lambda rule: roc_auc(rows.labels, rule.scores(rows)))


def _has_both(rows: Rows) -> bool:
    return bool(rows.labels.any() and not rows.labels.all())
