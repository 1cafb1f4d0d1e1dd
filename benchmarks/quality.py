"""`make bench-quality`: the shipped model, LightGBM and the one-line rule on the same rows.

Protocol: predict from day 280, 308 and 336 of the sample the next 28 days; train on up to eight
earlier cutoffs, 28 days apart, whose label windows have closed. Population: who ever ordered, and
for churn, who ordered in the last 56 days. Paired bootstrap over users. Seed 0.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import (
    average_precision,
    expected_calibration_error,
    paired_bootstrap,
    roc_auc,
)
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import Objective, load_objective
from tidemill.sample.retail import sample_events, sample_items
from tidemill_pipelines.dataset import TEST, TRAIN, Rows, read_split
from tidemill_pipelines.models.fit import TrainingSet, fit
from tidemill_pipelines.models.wide_deep import score
from tidemill_pipelines.population import baseline_feature, baseline_scores
from tidemill_pipelines.training_set import build

ROOT = Path(__file__).parent.parent
START = datetime(2017, 1, 1, tzinfo=UTC)
TEST_DAYS = (280, 308, 336)
WITHIN = timedelta(days=28)
TRAINING_CUTOFFS = 8
SEED = 0
# The whole population of the protocol is chosen here, not by the example's own `active_within`.
ACTIVE_DAYS = {"coupon-redemption": 366, "category-purchase": 366, "churn": 56}
RECENCY = "order_completed__days_since_last"


@dataclass(frozen=True)
class Result:
    """One model on one test cutoff."""

    auc: float
    average_precision: float
    ece: float
    cpu_seconds: float
    scores: NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks" / "quality.json")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        log = EventLog(home.events)
        log.append(sample_events(None, None))
        log.put_items(sample_items())
        report = {
            "protocol": __doc__,
            "versions": {n: version(n) for n in ("torch", "lightgbm", "numpy", "duckdb", "feast")},
            "objectives": {
                name: measure(home, load_objective(ROOT / "examples" / f"{name}.yaml"))
                for name in ACTIVE_DAYS
            },
        }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + os.linesep)
    table = markdown(report["objectives"])
    out.with_suffix(".md").write_text(table)
    print(table)


def measure(home: Home, objective: Objective) -> dict[str, Any]:
    """Means over the test cutoffs per model, and the pooled bootstrap against recency."""
    results: dict[str, list[Result]] = {"tidemill": [], "lightgbm": [], "recency": []}
    tests = []
    for day in TEST_DAYS:
        train, test = split(home, objective, START + timedelta(days=day))
        tests.append(test)
        results["tidemill"].append(judge(shipped_model, train, test))
        results["lightgbm"].append(judge(rival, train, test))
        results["recency"].append(judge(partial(recency, objective), train, test))
        aucs = {name: round(found[-1].auc, 4) for name, found in results.items()}
        print(f"{objective.name} day {day}: AUC {aucs}", flush=True)
    labels, users = pooled(tests, "labels"), pooled(tests, "users")
    over_recency = paired_bootstrap(
        labels,
        ranks(results["tidemill"]),
        ranks(results["recency"]),
        users,
        seed=SEED,
    )
    return {
        "models": {name: means(found) for name, found in results.items()},
        "base_rate": float(labels.mean()),
        "over_recency": {"lower": over_recency.lower, "upper": over_recency.upper},
    }


def split(home: Home, objective: Objective, test_cutoff: datetime) -> tuple[Rows, Rows]:
    """Training and test rows of the protocol's population."""
    train = [test_cutoff - WITHIN * n for n in range(TRAINING_CUTOFFS, 0, -1)]
    path = home.root / "dataset.parquet"
    spec = objective.spec
    wide = spec.model_copy(
        update={
            "population": spec.population.model_copy(
                update={"active_within": timedelta(days=ACTIVE_DAYS[objective.name])}
            )
        }
    )
    everybody = objective.model_copy(update={"spec": wide})
    build(home, everybody, train, test_cutoff, test_cutoff + WITHIN, path)
    return ordered(read_split(path, TRAIN)), ordered(read_split(path, TEST))


def ordered(rows: Rows) -> Rows:
    """Those who ever ordered."""
    chosen = ~np.isnan(rows.column(RECENCY))
    return Rows(
        rows.users[chosen],
        rows.cutoffs[chosen],
        rows.labels[chosen],
        rows.vectors[chosen],
        rows.features,
    )


def shipped_model(train: Rows, test: Rows) -> NDArray[np.float64]:
    horizon = int(WITHIN.total_seconds() * 1_000_000)
    model, choice = fit(TrainingSet(train.vectors, train.labels, train.cutoffs, horizon), SEED)
    print(f"  {choice}", flush=True)
    return score(model, test.vectors)


def rival(train: Rows, test: Rows) -> NDArray[np.float64]:
    """LightGBM with the shrinkage and column sampling that suit few rows and many columns."""
    model = lightgbm.LGBMClassifier(
        n_estimators=200,
        learning_rate=0.03,
        num_leaves=15,
        min_child_samples=40,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.3,
        reg_lambda=5.0,
        random_state=SEED,
        n_jobs=2,
        verbose=-1,
    )
    scores: NDArray[np.float64] = model.fit(train.vectors, train.labels).predict_proba(
        test.vectors
    )[:, 1]
    return scores


def recency(objective: Objective, _: Rows, test: Rows) -> NDArray[np.float64]:
    return baseline_scores(objective, test.column(baseline_feature(objective)))


def judge(predict: Callable[[Rows, Rows], NDArray[np.float64]], train: Rows, test: Rows) -> Result:
    started = time.process_time()
    scores = predict(train, test)
    spent = time.process_time() - started
    return Result(
        roc_auc(test.labels, scores),
        average_precision(test.labels, scores),
        expected_calibration_error(test.labels, scores),
        spent,
        scores,
    )


def means(found: list[Result]) -> dict[str, float]:
    names = ("auc", "average_precision", "ece", "cpu_seconds")
    return {name: float(np.mean([getattr(r, name) for r in found])) for name in names}


def pooled(tests: list[Rows], name: str) -> NDArray[Any]:
    return np.concatenate([getattr(test, name) for test in tests])


def ranks(found: list[Result]) -> NDArray[np.float64]:
    """Scores as ranks within their cutoff, so that cutoffs can be pooled."""
    return np.concatenate([r.scores.argsort().argsort() / len(r.scores) for r in found])


def markdown(objectives: dict[str, Any]) -> str:
    lines = [
        "| objective | model | AUC | average precision | ECE | train CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in objectives.items():
        for model, m in found["models"].items():
            # A rule has no probabilities, hence no calibration.
            ece = "-" if model == "recency" else f"{m['ece']:.3f}"
            lines.append(
                f"| {name} | {model} | {m['auc']:.4f} | {m['average_precision']:.3f} | {ece} | "
                f"{m['cpu_seconds']:.1f} |"
            )
        low, high = found["over_recency"]["lower"], found["over_recency"]["upper"]
        lines.append(f"| {name} | *over recency, 90%* | {low:+.3f} to {high:+.3f} | | | |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
