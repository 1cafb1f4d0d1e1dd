"""The live bundle as files: which version, what it says about itself, how it was judged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tidemill.bundle import EVALUATION_FILE, MODEL_FILE, BundleMetadata, read_metadata
from tidemill.errors import BundleError
from tidemill.home import Home
from tidemill.registry import served_bundle


@dataclass(frozen=True)
class LiveModel:
    """What is served now for an objective."""

    version: str
    metadata: BundleMetadata

    @property
    def data_until(self) -> datetime:
        """End of the newest label window the model was judged on, UTC."""
        newest = max(datetime.fromisoformat(cutoff) for cutoff in self.metadata.test_cutoffs)
        return newest + timedelta(days=self.metadata.horizon_days)


def read_live(home: Home, objective: str) -> LiveModel:
    """Raises BundleError when nothing is live or the file is not a bundle."""
    import onnxruntime  # not for --help

    folder = served_bundle(home, objective)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = folder / MODEL_FILE
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    return LiveModel(folder.name, read_metadata(properties, str(path)))


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


def read_judgement(home: Home, objective: str) -> Judgement:
    """Raises BundleError when the live bundle came without its evaluation."""
    path = served_bundle(home, objective) / EVALUATION_FILE
    try:
        facts = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise BundleError(
            f"{path} is missing, so there is nothing to report about the test window",
            hint=f"train again with `tidemill train {objective}`",
        ) from error
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
