"""How alike a model and its successor are: what `benchmarks/gate.py` simulates by.

Protocol: for each example that predicts an outcome, and for retrainings 7 and 28 days apart, two
models of the sample: the challenger trained on cutoffs up to 28 days before day 308 of the sample,
as the pipeline would, the champion on cutoffs so many days earlier. Both score the users of day
308, whose outcomes of the next 28 days decide. Up to four training cutoffs, 28 days apart. Seed 0.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from tidemill.evaluation import paired_bootstrap, roc_auc
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import Objective, load_objective
from tidemill.sample.retail import sample_events, sample_items
from tidemill_pipelines.dataset import TEST, TRAIN, read_split
from tidemill_pipelines.models.fit import TrainingSet, fit
from tidemill_pipelines.models.wide_deep import score
from tidemill_pipelines.population import baseline_feature, baseline_scores
from tidemill_pipelines.training_set import build

ROOT = Path(__file__).parent.parent
EXAMPLES = ("coupon-redemption", "category-purchase", "churn")
APART = (7, 28)
WITHIN = timedelta(days=28)
TEST_CUTOFF = datetime(2017, 1, 1, tzinfo=UTC) + timedelta(days=308)
CUTOFFS = 4
SEED = 0
Scores = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    out = ROOT / "docs" / "benchmarks" / "retrained-pairs.json"
    parser.add_argument("--out", type=Path, default=out)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        log = EventLog(home.events)
        log.append(sample_events(None, None))
        log.put_items(sample_items())
        pairs = [
            measure(home, load_objective(ROOT / "examples" / f"{name}.yaml"), days)
            for name in EXAMPLES
            for days in APART
        ]
    names = ("torch", "numpy", "duckdb", "feast")
    report = {"protocol": __doc__, "versions": {n: version(n) for n in names}, "pairs": pairs}
    out.write_text(json.dumps(report, indent=1) + os.linesep)


def measure(home: Home, objective: Objective, days: int) -> dict[str, Any]:
    """The pair's AUCs, and how their scores go together."""
    _, champion, _ = trained(home, objective, TEST_CUTOFF - WITHIN - timedelta(days=days))
    labels, challenger, simple = trained(home, objective, TEST_CUTOFF - WITHIN)
    users = np.arange(len(labels)).astype(str)
    difference = paired_bootstrap(labels, challenger, champion, users, seed=SEED)
    found = {
        "objective": objective.name,
        "days_apart": days,
        "users": len(labels),
        "positives": int(labels.sum()),
        "auc_champion": roc_auc(labels, champion),
        "auc_challenger": roc_auc(labels, challenger),
        "auc_simple": roc_auc(labels, simple),
        "interval": [difference.lower, difference.upper],
        "alike": alike(labels, challenger, champion),
        "alike_simple": alike(labels, challenger, simple),
    }
    print(found, flush=True)
    return found


def trained(
    home: Home, objective: Objective, newest: datetime
) -> tuple[NDArray[np.bool_], Scores, Scores]:
    """Labels of the test window, scores of a model trained up to `newest`, and of the rule."""
    train = [newest - WITHIN * n for n in range(CUTOFFS)][::-1]
    path = home.root / "dataset.parquet"
    build(home, objective, train, TEST_CUTOFF, TEST_CUTOFF + WITHIN, path)
    rows, test = read_split(path, TRAIN), read_split(path, TEST)
    horizon = int(WITHIN.total_seconds() * 1_000_000)
    model, _ = fit(TrainingSet(rows.vectors, rows.labels, rows.cutoffs, horizon), SEED)
    simple = baseline_scores(objective, test.column(baseline_feature(objective)))
    return test.labels, score(model, test.vectors), simple


def alike(labels: NDArray[np.bool_], first: Scores, second: Scores) -> float:
    """Correlation of normal scores within the positives and within the negatives, their mean.

    Van der Waerden's: what a bivariate normal with these rankings would have.
    """
    found = [
        np.corrcoef(normal_scores(first[rows]), normal_scores(second[rows]))[0, 1]
        for rows in (labels, ~labels)
    ]
    return float(np.mean(found))


def normal_scores(scores: Scores) -> Scores:
    placed: Scores = norm.ppf(rankdata(scores) / (len(scores) + 1))
    return placed


if __name__ == "__main__":
    main()
