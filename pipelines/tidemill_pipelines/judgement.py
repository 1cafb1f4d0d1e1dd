"""Runs a bundle, the simple rule and the champion over the test window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import DEFAULT_GRADE_SHARES, MODEL_FILE, read_metadata
from tidemill.errors import BundleError
from tidemill.evaluation import PairedDifference, paired_bootstrap
from tidemill.home import Home
from tidemill.live_model import served_bundle
from tidemill.objective import Objective
from tidemill.registry import Registry
from tidemill_features.catalog import load_catalog
from tidemill_pipelines.dataset import TEST, Rows, read_split
from tidemill_pipelines.evaluate import Evaluation, evaluate
from tidemill_pipelines.guarding import Judged, Mask, guarded_slices
from tidemill_pipelines.onnx_file import open_session, run
from tidemill_pipelines.population import baseline_feature, baseline_scores


def judge(home: Home, objective: Objective, dataset: Path, model: Path) -> Evaluation:
    """Evaluate the ONNX file `model`: what is judged is what ships."""
    test, seed = read_split(dataset, TEST), objective.spec.training.seed
    scores, champion = run(open_session(model), test.vectors), _champion(home, objective, test)
    evaluation = evaluate(
        test,
        scores,
        baseline_scores(objective, test.column(baseline_feature(objective))),
        champion,
        DEFAULT_GRADE_SHARES,
        load_catalog(home),
        seed,
    )
    if champion is None:
        return evaluation
    version, incumbent = champion
    return replace(
        evaluation,
        guarded=guarded_slices(
            home,
            objective.spec.monitoring.retrain.guard,
            _judged(test, scores, incumbent, seed),
        ),
        earlier_challengers=Registry(home).challengers(objective.name, version),
    )


def _judged(
    test: Rows, scores: NDArray[np.float64], incumbent: NDArray[np.float64], seed: int
) -> Judged:
    def compare(rows: Mask) -> PairedDifference:
        labels, users = test.labels[rows], test.users[rows]
        return paired_bootstrap(labels, scores[rows], incumbent[rows], users, seed=seed)

    return Judged(test.users.tolist(), int(test.cutoffs[0]), test.labels, compare)


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
