"""The steps of the training pipeline for lifetime values.

As those of tidemill_pipelines.steps; what training writes is a folder with two models.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.home import Home
from tidemill.lifetime_value.bundle import JUDGED_FILE, KIND
from tidemill.objective import Objective
from tidemill_pipelines.saying import say, say_warnings

if TYPE_CHECKING:
    from tidemill_pipelines.valuing.fitting import FittedValue, Material
    from tidemill_pipelines.valuing.judging import ValueEvaluation

_DAY = timedelta(days=1)


def validate(
    home: Home, objective: Objective, instant: datetime, readiness_path: Path
) -> dict[str, float]:
    """Raises NotReadyError with the number that falls short."""
    from tidemill.events import EventLog
    from tidemill_pipelines.assessing.assess import require_sound
    from tidemill_pipelines.assessing.kinds import of_value
    from tidemill_pipelines.valuing.readiness import check_value_readiness

    with EventLog(home.events).connect() as con:
        readiness = check_value_readiness(con, objective, instant)
        asked = of_value(con, objective, instant, readiness)
        say_warnings(require_sound(con, objective, instant, asked))
    windows = readiness.windows
    plan = {
        "at": instant.isoformat(),
        "train": [cutoff.isoformat() for cutoff in windows.train],
        "test": windows.test.isoformat(),
        "judged_days": windows.judged / _DAY,
        "counts": [asdict(count) for count in readiness.counts],
    }
    readiness_path.write_text(json.dumps(plan, indent=1))
    *train, test = readiness.counts
    say(
        f"ready: {len(train)} training windows, in which {sum(c.positives for c in train):,} of "
        f"{sum(c.users for c in train):,} customers bought again; test window from "
        f"{test.cutoff[:10]} with {test.positives:,} of {test.users:,}"
    )
    return {
        "training_rows": sum(c.users for c in train),
        "training_positives": sum(c.positives for c in train),
        "test_rows": test.users,
        "test_positives": test.positives,
    }


def build_training_set(
    home: Home, objective: Objective, readiness_path: Path, dataset: Path
) -> dict[str, float]:
    """Features of customers as known at each cutoff, and what they then bought."""
    from tidemill_pipelines.valuing.training_set import build_customers  # imports feast
    from tidemill_pipelines.valuing.windows import ValueWindows

    plan = json.loads(readiness_path.read_text())
    windows = ValueWindows(
        tuple(datetime.fromisoformat(cutoff) for cutoff in plan["train"]),
        datetime.fromisoformat(plan["test"]),
        plan["judged_days"] * _DAY,
    )
    at = datetime.fromisoformat(plan["at"])
    built = build_customers(home, objective, windows, at, dataset)
    say(f"training set: {built.rows:,} rows of {built.features} features")
    return {"rows": built.rows, "features": built.features}


def train(objective: Objective, dataset: Path, model: Path) -> dict[str, float]:
    """Choose and fit, export what is served and what is judged, check that ONNX says the same."""
    from tidemill.bundle import MODEL_FILE
    from tidemill_pipelines.valuing.export import (
        JudgedModel,
        ServedModel,
        export_judged,
        export_served,
    )
    from tidemill_pipelines.valuing.fitting import fit_value
    from tidemill_pipelines.valuing.intervals import BandReader

    material = _read(dataset)
    fitted = fit_value(objective, material)
    model.mkdir(parents=True, exist_ok=True)
    days = objective.target.within / _DAY
    served = ServedModel(fitted.served, BandReader(fitted.bands), days)
    vectors = material.test.vectors
    difference = max(
        export_served(served, vectors, model / MODEL_FILE),
        export_judged(JudgedModel(fitted.judged), vectors, model / JUDGED_FILE),
    )
    _write_notes(fitted, model)
    say(f"model: {fitted.recipe}; ONNX differs from torch by {difference:.1e} at most")
    if not fitted.is_refitted:
        say("note: fitted again on the test window it says something else; the judged one is used")
    return {"onnx_difference": difference, "is_refitted": float(fitted.is_refitted)}


def evaluate(
    home: Home, objective: Objective, dataset: Path, model: Path, evaluation_path: Path
) -> dict[str, float]:
    """Judge the model of the test cutoff, beside the simple rule and the champion's."""
    from tidemill_pipelines.valuing.judging import judge_value

    evaluation = judge_value(home, objective, dataset, model)
    evaluation_path.write_text(json.dumps({"kind": KIND, **asdict(evaluation)}))
    say(_in_words(evaluation))
    return evaluation.metrics


def _read(dataset: Path) -> Material:
    from tidemill_pipelines.valuing import dataset as rows
    from tidemill_pipelines.valuing.fitting import Material

    return Material(
        train=rows.read_customers(dataset, rows.TRAIN),
        test=rows.read_customers(dataset, rows.TEST),
        current=rows.read_customers(dataset, rows.CURRENT),
        gone=rows.read_customers(dataset, rows.GONE),
        judged_days=rows.judged_days(dataset),
    )


def _write_notes(fitted: FittedValue, model: Path) -> None:
    from tidemill_pipelines.valuing.notes import ValueNotes, write_notes

    processes = fitted.served.signals.foundation.members
    notes = ValueNotes(
        fitted.recipe,
        fitted.is_refitted,
        {each.NAME: each.parameters_found() for each in processes},
        [asdict(candidate) for candidate in fitted.candidates],
        [asdict(rival) for rival in fitted.rivals],
    )
    write_notes(model, notes)


def _in_words(evaluation: ValueEvaluation) -> str:
    m = evaluation.metrics
    return (
        f"test window: the highest tenth holds {m['capture']:.0%} of the value "
        f"({evaluation.baseline}: {m['baseline_capture']:.0%}), correlation "
        f"{m['correlation']:.2f}, predicted over observed {m['predicted_over_observed']:.2f}, "
        f"decile error {m['decile_error']:.2f} ({m['baseline_decile_error']:.2f})"
    )
