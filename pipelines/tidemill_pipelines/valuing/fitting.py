"""Fits the model twice: as of the test cutoff, to be judged, and as of now, to be served.

The second knows what happened in the test window. A horizon is long: a model that had seen neither
of the last two would be half a year old on its first day. What is judged is how the model is made;
that both agree is checked, and where they do not, the one that was judged is served.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from tidemill.lifetime_value.measures import measure
from tidemill.objective import Objective
from tidemill_pipelines.valuing.competition import (
    PROCESS,
    RECIPES,
    Candidate,
    Task,
    choose,
    fit_heads,
    fit_recipe,
)
from tidemill_pipelines.valuing.customers import HistoryColumns, purchase_signal
from tidemill_pipelines.valuing.dataset import Customers, joined, with_gone
from tidemill_pipelines.valuing.foundation import Foundation, fit_foundation
from tidemill_pipelines.valuing.intervals import Bands, fit_bands
from tidemill_pipelines.valuing.value_model import ValueModel

_LEAST_AGREEMENT = 0.8
"""Rank correlation of both models' predictions for the customers of today."""
_FARTHEST_TOTAL = 1.5


@dataclass(frozen=True)
class Material:
    """The training set, taken apart."""

    train: Customers
    test: Customers
    current: Customers
    gone: Customers
    """Those who had left the population, at the newest cutoffs."""
    judged_days: float


@dataclass(frozen=True)
class FittedValue:
    """What training hands on."""

    judged: ValueModel
    served: ValueModel
    bands: Bands
    recipe: str
    candidates: list[Candidate]
    rivals: list[Candidate]
    """Each purchase process alone, with the same worth, on the test window."""
    is_refitted: bool
    """Whether the served model knows the test window."""


def fit_value(objective: Objective, material: Material) -> FittedValue:
    """Choose a recipe on the training windows, then follow it twice."""
    task = task_of(objective, material)
    recipe, candidates = choose(task, material.train, material.gone)
    by_test = with_gone(material.test, material.gone)
    foundation = fit_foundation(by_test.vectors, task.columns, task.seed)
    judged = fit_heads(task, RECIPES[recipe], material.train, foundation)
    labelled = joined(material.train, material.test)
    everybody = with_gone(material.current, material.gone)
    served = fit_recipe(task, recipe, labelled, everybody)
    horizon = objective.target.within / timedelta(days=1)
    agree = _agree(judged, served, material.current.vectors, horizon)
    predicted, _ = judged.predict(material.test.vectors, task.days)
    return FittedValue(
        judged,
        served if agree else judged,
        fit_bands(predicted, material.test.values),
        recipe,
        candidates,
        _rivals(task, material, foundation),
        agree,
    )


def task_of(objective: Objective, material: Material) -> Task:
    signal = purchase_signal(objective)
    columns = HistoryColumns.of(signal, material.train.features)
    return Task(columns, signal.name, material.judged_days, objective.spec.training.seed)


def _agree(
    judged: ValueModel, served: ValueModel, vectors: NDArray[np.float32], days: float
) -> bool:
    if not len(vectors):
        return True
    one, other = judged.predict(vectors, days)[0], served.predict(vectors, days)[0]
    ranks = [np.argsort(np.argsort(each)) for each in (one, other)]
    is_alike = len(one) < 3 or np.corrcoef(ranks[0], ranks[1])[0, 1] >= _LEAST_AGREEMENT
    return bool(is_alike and abs(np.log(other.sum() / one.sum())) <= np.log(_FARTHEST_TOTAL))


def _rivals(task: Task, material: Material, foundation: Foundation) -> list[Candidate]:
    test, found = material.test, []
    for process in foundation.members:
        alone = Foundation(foundation.reader, [process], foundation.worth)
        model = fit_heads(task, (PROCESS,), material.train, alone)
        predicted, _ = model.predict(test.vectors, task.days)
        found.append(Candidate(process.NAME, measure(test.values, predicted).to_json()))
    return found
