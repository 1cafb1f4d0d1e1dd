"""The live bundle as files: which version, what it says about itself, how it was judged."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from tidemill.bundle import EVALUATION_FILE, MODEL_FILE, BundleMetadata
from tidemill.errors import BundleError
from tidemill.home import Home
from tidemill.live_model import served_bundle
from tidemill.recommendation.bundle import AnyMetadata, read_any_metadata

Metadata_co = TypeVar("Metadata_co", bound=AnyMetadata, covariant=True)


@dataclass(frozen=True)
class LiveModel(Generic[Metadata_co]):
    """What is served now for an objective."""

    version: str
    metadata: Metadata_co

    @property
    def data_until(self) -> datetime:
        """End of the newest label window the model was judged on, UTC."""
        newest = max(datetime.fromisoformat(cutoff) for cutoff in self.metadata.test_cutoffs)
        return newest + timedelta(days=_test_days(self.metadata))


def _test_days(metadata: AnyMetadata) -> float:
    """Length of the test window; of values it may be less than the horizon."""
    if isinstance(metadata, BundleMetadata) and metadata.value is not None:
        return metadata.value.judged_days
    return metadata.horizon_days


def read_live(home: Home, objective: str) -> LiveModel[AnyMetadata]:
    """Raises BundleError when nothing is live or the file is not a bundle."""
    import onnxruntime  # not for --help

    folder = served_bundle(home, objective)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = folder / MODEL_FILE
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    return LiveModel(folder.name, read_any_metadata(properties, str(path)))


@dataclass(frozen=True)
class Judgement:
    """What the training pipeline measured on the test window."""

    metrics: dict[str, float]
    over_baseline: dict[str, float]
    """`difference`, `lower`, `upper`: AUC of the model minus the simple rule's, 90% interval."""
    roc: list[list[float]]
    """[false positive rates, true positive rates]."""
    baseline_roc: list[list[float]]
    precision_recall: list[list[float]]
    """[recalls, precisions]."""
    calibration: list[dict[str, float]]
    """Bins of equal count: `rows`, `predicted`, `observed`."""
    grades: list[dict[str, Any]]
    """`grade`, `users`, `rate`, `lift`; A first."""
    indicators: list[dict[str, Any]]
    """`feature`, `description`, `auc`; the most telling first."""


@dataclass(frozen=True)
class ChoiceJudgement:
    """What the training pipeline measured of a model that chooses items."""

    metrics: dict[str, float]
    over_baseline: dict[str, float]
    """`difference`, `lower`, `upper`: NDCG of the model minus the simple rule's, 90% interval."""
    candidates: list[dict[str, Any]]
    """`name`, `ndcg`, `ndcg_new`, `recall`, `cpu_seconds`, `note`, on the window before."""
    baseline: str
    """The simple rule in words."""
    of_users: list[dict[str, Any]]
    """Slices of users: `slice`, `users`, `ndcg`, `baseline_ndcg`."""
    of_items: list[dict[str, Any]]
    """Slices of items: `slice`, `items`, `outcomes`, and shares of outcomes `found` and of places
    `shown`."""
    neighbours: list[dict[str, Any]]
    """`item`, and its `nearest` items."""
    map: dict[str, Any]
    """`attribute`, and `points` of `item`, `x`, `y`, `value`; empty where there is none."""


@dataclass(frozen=True)
class SegmentJudgement:
    """What the training pipeline found out about segments."""

    metrics: dict[str, float]
    segments: list[dict[str, Any]]
    """`id`, `name`, `users`, `share`, `jaccard`, `nearest_gap`, `factors`."""
    tried: list[dict[str, Any]]
    """Every number of segments: `k`, `smallest`, `gaps`, `jaccard`, `agreement`, `faults`."""
    kept: dict[str, float]
    """Ids of the champion before that stay, with the overlap of their users."""
    gone: list[str]
    moved: list[list[int]]
    """Users by segment one period before and now."""


@dataclass(frozen=True)
class ValueJudgement:
    """What the training pipeline measured of a model of value."""

    metrics: dict[str, float]
    over_baseline: dict[str, float]
    """`difference`, `lower`, `upper`: explained deviance minus the simple rule's, 90% interval."""
    baseline: str
    """The simple rule in words."""
    candidates: list[dict[str, Any]]
    """`name`, `quality`, on the windows the winner was chosen by; empty where there were none."""
    rivals: list[dict[str, Any]]
    """`name`, `quality`: each purchase process alone, on the test window."""
    deciles: list[dict[str, float]]
    """`users`, `predicted`, `observed`; the lowest first."""
    grades: list[dict[str, Any]]
    """`grade`, `users`, `value`, `lift`; A first."""


def read_judgement(home: Home, objective: str) -> Judgement:
    """Raises BundleError when the live bundle came without its evaluation."""
    facts = _evaluation(home, objective)
    curves = facts["curves"]
    return Judgement(
        metrics=facts["metrics"],
        over_baseline=facts["over_baseline"],
        roc=curves["roc"],
        baseline_roc=curves["baseline_roc"],
        precision_recall=curves["pr"],
        calibration=curves["calibration"],
        grades=curves["grades"],
        indicators=curves["indicators"],
    )


def read_choice_judgement(home: Home, objective: str) -> ChoiceJudgement:
    """As `read_judgement`, of a bundle that chooses items."""
    facts = _evaluation(home, objective)
    return ChoiceJudgement(
        metrics=facts["metrics"],
        over_baseline=facts["over_baseline"],
        candidates=facts["candidates"],
        baseline=facts["baseline"],
        of_users=facts["slices"]["users"],
        of_items=facts["slices"]["items"],
        neighbours=facts["neighbours"],
        map=facts["map"],
    )


def read_segment_judgement(home: Home, objective: str) -> SegmentJudgement:
    """As `read_judgement`, of a bundle that divides users into segments."""
    facts = _evaluation(home, objective)
    return SegmentJudgement(**{each.name: facts[each.name] for each in fields(SegmentJudgement)})


def read_value_judgement(home: Home, objective: str) -> ValueJudgement:
    """As `read_judgement`, of a bundle whose scores are values."""
    facts = _evaluation(home, objective)
    return ValueJudgement(
        metrics=facts["metrics"],
        over_baseline=facts["over_baseline"],
        baseline=facts["baseline"],
        candidates=facts["notes"]["candidates"],
        rivals=facts["notes"]["rivals"],
        deciles=facts["deciles"],
        grades=facts["grades"],
    )


def _evaluation(home: Home, objective: str) -> dict[str, Any]:
    path = served_bundle(home, objective) / EVALUATION_FILE
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise BundleError(
            f"{path} is missing, so there is nothing to report about the test window",
            hint=f"train again with `tidemill train {objective}`",
        ) from error
    return facts
