"""Runs a bundle, the simple rule and the champion over the test window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import DEFAULT_GRADE_SHARES, MODEL_FILE, read_metadata
from tidemill.errors import BundleError
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.registry import served_bundle
from tidemill_features.catalog import load_catalog
from tidemill_pipelines.dataset import TEST, Rows, read_split
from tidemill_pipelines.evaluate import Evaluation, evaluate
from tidemill_pipelines.onnx_file import open_session, run
from tidemill_pipelines.population import baseline_feature, baseline_scores


def judge(home: Home, objective: Objective, dataset: Path, model: Path) -> Evaluation:
    """Evaluate the ONNX file `model`: what is judged is what ships."""
    test = read_split(dataset, TEST)
    return evaluate(
        test,
        run(open_session(model), test.vectors),
        baseline_scores(objective, test.column(baseline_feature(objective))),
        _champion(home, objective, test),
        DEFAULT_GRADE_SHARES,
        load_catalog(home),
        objective.spec.training.seed,
    )


def _champion(
    home: Home, objective: Objective, test: Rows
) -> tuple[str, NDArray[np.float64]] | None:
    """The live bundle's version and scores; None when nothing is live or it asks something else."""
    try:
        bundle = served_bundle(home, objective.name)
    except BundleError:
        return None
    session = open_session(bundle / MODEL_FILE)
    metadata = read_metadata(session.get_modelmeta().custom_metadata_map, str(bundle))
    position = {name: index for index, name in enumerate(test.features)}
    if metadata.objective_hash != objective.hash or not position.keys() >= set(metadata.features):
        return None
    columns = [position[name] for name in metadata.features]
    return bundle.name, run(session, np.ascontiguousarray(test.vectors[:, columns]))
