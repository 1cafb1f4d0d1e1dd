"""Judges the exported model on the test window, beside the simple rule and the champion."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tidemill.bundle import (
    DEFAULT_GRADE_SHARES,
    INPUT_NAME,
    MODEL_FILE,
    OUTPUT_NAME,
    read_metadata,
)
from tidemill.errors import BundleError
from tidemill.evaluation import PairedDifference
from tidemill.grading import grade, grade_thresholds
from tidemill.home import Home
from tidemill.lifetime_value.bundle import DAYS_INPUT, JUDGED_FILE, PURCHASES_OUTPUT
from tidemill.lifetime_value.measures import (
    ValueQuality,
    compare,
    deciles,
    measure,
    observed_over_predicted,
)
from tidemill.live_model import served_bundle
from tidemill.objective import Objective
from tidemill.registry import Registry
from tidemill_pipelines.gate import GuardedSlice
from tidemill_pipelines.guarding import Judged, Mask, guarded_slices
from tidemill_pipelines.onnx_file import open_session
from tidemill_pipelines.promises import Promise, Promises
from tidemill_pipelines.valuing.customers import HistoryColumns, purchase_signal
from tidemill_pipelines.valuing.dataset import (
    TEST,
    TRAIN,
    Customers,
    judged_days,
    read_customers,
)
from tidemill_pipelines.valuing.intervals import measured_coverage
from tidemill_pipelines.valuing.notes import ValueNotes, read_notes
from tidemill_pipelines.valuing.simple_rules import Values, simple_rules


@dataclass(frozen=True)
class ValueEvaluation:
    """Everything a person or the gate wants to know about one model of value."""

    metrics: dict[str, float]
    over_baseline: PairedDifference
    """Of the explained deviance."""
    baseline: str
    """The simple rule that explains most of the test window."""
    over_champion: PairedDifference | None
    champion_version: str | None
    promises: Promises
    notes: ValueNotes
    deciles: list[dict[str, float]]
    grades: list[dict[str, Any]]
    judged_days: float
    horizon_days: float
    guarded: list[GuardedSlice] = field(default_factory=list)
    earlier_challengers: int = 0


def judge_value(home: Home, objective: Objective, dataset: Path, model: Path) -> ValueEvaluation:
    """`model` is the folder that training filled; what is judged was fitted before the window."""
    test, days = read_customers(dataset, TEST), judged_days(dataset)
    session = open_session(model / JUDGED_FILE)
    predicted, purchases = run_judged(session, test.vectors, days)
    signal = purchase_signal(objective)
    columns = HistoryColumns.of(signal, test.features)
    rules = simple_rules(read_customers(dataset, TRAIN), test, columns, days)
    qualities = {name: measure(test.values, values) for name, values in rules.items()}
    best = max(qualities, key=lambda name: qualities[name].explained)
    baseline = rules[best]
    champion, seed = _champion(home, objective, test, days), objective.spec.training.seed
    incumbent = None if champion is None else champion[1]
    notes = read_notes(model)
    return ValueEvaluation(
        metrics=_metrics(test, predicted, purchases, baseline),
        over_baseline=compare(test.values, predicted, baseline, seed),
        baseline=best,
        over_champion=None
        if incumbent is None
        else compare(test.values, predicted, incumbent, seed),
        champion_version=None if champion is None else champion[0],
        promises=Promises(
            _promise(test.values, predicted, seed),
            None if incumbent is None else _promise(test.values, incumbent, seed),
        ),
        notes=replace(notes, rivals=[*notes.rivals, *_named(qualities)]),
        deciles=[asdict(each) for each in deciles(test.values, predicted)],
        grades=_grades(test.values, predicted),
        judged_days=days,
        horizon_days=objective.target.within / timedelta(days=1),
        guarded=_guarded(home, objective, test, predicted, incumbent),
        earlier_challengers=0
        if champion is None
        else Registry(home).challengers(objective.name, champion[0]),
    )


def run_judged(
    session: onnxruntime.InferenceSession, vectors: NDArray[np.float32], days: float
) -> tuple[Values, Values]:
    """Values and purchases that a judged model expects."""
    feeds = {INPUT_NAME: vectors, DAYS_INPUT: np.array([days])}
    values, purchases = session.run([OUTPUT_NAME, PURCHASES_OUTPUT], feeds)
    return values.astype(np.float64), purchases.astype(np.float64)


def _named(qualities: dict[str, ValueQuality]) -> list[dict[str, Any]]:
    return [{"name": name, "quality": each.to_json()} for name, each in qualities.items()]


def _metrics(
    test: Customers, predicted: Values, purchases: Values, baseline: Values
) -> dict[str, float]:
    found, before = measure(test.values, predicted), measure(test.values, baseline)
    bought = max(float(test.purchases.sum()), 1.0)
    return {
        **found.to_json(),
        **{f"baseline_{name}": value for name, value in before.to_json().items()},
        "purchases_predicted_over_observed": float(purchases.sum()) / bought,
        "coverage": measured_coverage(predicted, test.values),
        "mean_value": float(test.values.mean()),
        "bought_again": float((test.purchases > 0).mean()),
        "users": float(len(test)),
    }


def _promise(observed: Values, predicted: Values, seed: int) -> Promise:
    return Promise(*observed_over_predicted(observed, predicted, seed))


def _grades(observed: Values, predicted: Values) -> list[dict[str, Any]]:
    """Mean value and lift of each grade, A first."""
    letters = grade(predicted, grade_thresholds(predicted, DEFAULT_GRADE_SHARES))
    found = []
    for letter in np.unique(letters):
        member = letters == letter
        value = float(observed[member].mean())
        found.append(
            {
                "grade": str(letter),
                "users": int(member.sum()),
                "value": value,
                "lift": value / float(observed.mean()),
            }
        )
    return found


def _guarded(
    home: Home, objective: Objective, test: Customers, predicted: Values, incumbent: Values | None
) -> list[GuardedSlice]:
    if incumbent is None:
        return []
    seed = objective.spec.training.seed

    def over_champion(rows: Mask) -> PairedDifference:
        return compare(test.values[rows], predicted[rows], incumbent[rows], seed)

    judged = Judged(test.users.tolist(), int(test.cutoffs[0]), test.purchases > 0, over_champion)
    return guarded_slices(home, objective.spec.monitoring.retrain.guard, judged)


def _champion(
    home: Home, objective: Objective, test: Customers, days: float
) -> tuple[str, Values] | None:
    """The live version and what its judged model says, which knows nothing of this window either;
    None when nothing is live, or it answers something else."""
    try:
        bundle = served_bundle(home, objective.name)
    except BundleError:
        return None
    properties = open_session(bundle / MODEL_FILE).get_modelmeta().custom_metadata_map
    metadata = read_metadata(properties, str(bundle))
    position = {name: index for index, name in enumerate(test.features)}
    if metadata.objective_hash != objective.hash or not position.keys() >= set(metadata.features):
        return None
    columns = [position[name] for name in metadata.features]
    vectors = np.ascontiguousarray(test.vectors[:, columns])
    return bundle.name, run_judged(open_session(bundle / JUDGED_FILE), vectors, days)[0]
