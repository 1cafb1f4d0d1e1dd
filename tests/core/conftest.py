"""Small real event logs and tables for the core's tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tidemill.bundle import (
    EVALUATION_FILE,
    INPUT_NAME,
    MODEL_FILE,
    OUTPUT_NAME,
    REFERENCE_FILE,
    BundleMetadata,
    PopulationRule,
)
from tidemill.events import EventLog
from tidemill.events.schema import EVENTS
from tidemill.home import Home

NOON = datetime(2017, 3, 1, 12, tzinfo=UTC)

MakeEvents = Callable[..., pa.Table]


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    """An empty log in a folder that does not exist yet."""
    return EventLog(tmp_path / "home" / "events")


@pytest.fixture(scope="session")
def noon() -> datetime:
    """When the events of `make_events` happened."""
    return NOON


@pytest.fixture
def make_events() -> MakeEvents:
    """Valid events with the given ids; keywords replace columns of all of them."""

    def make(*ids: str, **columns: Any) -> pa.Table:
        event = {
            "name": "order_completed",
            "user_id": "u1",
            "timestamp": NOON,
            "received_at": NOON,
            "properties": "{}",
            **columns,
        }
        return pa.Table.from_pylist([{**event, "event_id": name} for name in ids], schema=EVENTS)

    return make


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home that the commands find."""
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    return Home.from_environment()


@pytest.fixture
def know_objective(home: Home) -> Callable[..., None]:
    """Makes the home know a propensity objective."""

    def know(name: str = "buying", event: str = "bought") -> None:
        home.objectives.mkdir(parents=True, exist_ok=True)
        spec = {"propensity": {"event": event, "within": "28d"}}
        document = {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "Objective",
            "metadata": {"name": name},
            "spec": spec,
        }
        (home.objectives / f"{name}.yaml").write_text(json.dumps(document))

    return know


GRADES = [
    {"grade": "A", "users": 100, "rate": 0.2, "lift": 4.0},
    {"grade": "B", "users": 200, "rate": 0.06, "lift": 1.2},
    {"grade": "C", "users": 300, "rate": 0.04, "lift": 0.8},
    {"grade": "D", "users": 400, "rate": 0.015, "lift": 0.3},
]
EVALUATION: dict[str, Any] = {
    "metrics": {
        "auc": 0.83,
        "average_precision": 0.31,
        "ece": 0.012,
        "predicted_over_observed": 1.2,
        "base_rate": 0.05,
        "users": 1000.0,
        "baseline_auc": 0.71,
        "baseline_average_precision": 0.15,
    },
    "over_baseline": {"difference": 0.12, "lower": 0.08, "upper": 0.15},
    "over_champion": None,
    "champion_version": None,
    "curves": {
        "roc": [[0.0, 0.2, 1.0], [0.0, 0.7, 1.0]],
        "pr": [[0.0, 0.5, 1.0], [1.0, 0.3, 0.05]],
        "baseline_roc": [[0.0, 0.4, 1.0], [0.0, 0.6, 1.0]],
        "calibration": [
            {"rows": 500, "predicted": 0.01, "observed": 0.0},
            {"rows": 500, "predicted": 0.11, "observed": 0.1},
        ],
        "grades": GRADES,
        "indicators": [
            {"feature": "viewed__count_28d", "description": "viewed: events so far", "auc": 0.8},
            {"feature": "left__count_28d", "description": "left: events so far", "auc": 0.3},
        ],
    },
}


def bundle_metadata(**changes: Any) -> BundleMetadata:
    fields: dict[str, Any] = {
        "objective": "buying",
        "objective_hash": "0123456789ab",
        "feature_view": "user_activity",
        "features": ("any__days_since_last", "viewed__count_28d"),
        "horizon_days": 28.0,
        "population": PopulationRule(feature="any__days_since_last", max_days=90.0),
        "base_rate": 0.05,
        "grade_thresholds": (0.5, 0.3, 0.1),
        "grade_lift": {row["grade"]: row["lift"] for row in GRADES},
        "metrics": EVALUATION["metrics"],
        "training_cutoffs": ("2026-01-01T00:00:00+00:00", "2026-01-29T00:00:00+00:00"),
        "test_cutoffs": ("2026-02-26T00:00:00+00:00",),
        "data_fingerprint": "f" * 16,
        "seed": 0,
        "packages": {"torch": "2.13.0"},
    }
    return BundleMetadata(**{**fields, **changes})


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Path]:
    """A whole bundle in a folder: the mean of two features as its model."""
    import onnx
    from onnx import TensorProto, helper

    def make(folder: Path = tmp_path / "bundle", **changes: Any) -> Path:
        folder.mkdir(parents=True)
        inputs = helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["batch", 2])
        outputs = helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["batch"])
        axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
        mean = helper.make_node("ReduceMean", [INPUT_NAME, "axes"], [OUTPUT_NAME], keepdims=0)
        graph = helper.make_graph([mean], "mean", [inputs], [outputs], initializer=[axes])
        model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
        helper.set_model_props(model, bundle_metadata(**changes).to_properties())
        onnx.save(model, folder / MODEL_FILE)
        (folder / EVALUATION_FILE).write_text(json.dumps(EVALUATION))
        (folder / REFERENCE_FILE).write_bytes(b"")
        return folder

    return make


@pytest.fixture
def make_live(home: Home, make_bundle: Callable[..., Path]) -> Callable[..., None]:
    """Serves a bundle as a promotion would, without a registry."""

    def serve(name: str = "buying", version: str = "1", **changes: Any) -> None:
        make_bundle(home.served(name) / version, objective=name, **changes)
        (home.served(name) / "current").symlink_to(version)

    return serve


@pytest.fixture
def write_verdict(home: Home) -> Callable[..., Path]:
    """One finished monitor run: `verdicts` are concern to (status, sentence, evidence)."""

    def write(
        at: str,
        verdicts: dict[str, tuple[str, str, dict[str, Any]]] | None = None,
        status: str = "ok",
        decision: dict[str, Any] | None = None,
        name: str = "buying",
        **changes: Any,
    ) -> Path:
        folder = home.monitoring(name) / at.replace("-", "").replace(":", "").replace("+0000", "Z")
        folder.mkdir(parents=True)
        keys = ("status", "sentence", "evidence")
        listed = [
            {"concern": concern, **dict(zip(keys, found, strict=True))}
            for concern, found in (verdicts or {}).items()
        ]
        calm = {"retrain": False, "reason": "nothing calls for it", "concerns": []}
        run = {
            "format": 1,
            "status": status,
            "objective": name,
            "at": at,
            "window_days": 7,
            "model_version": "1",
            "verdicts": listed,
            "decision": decision or calm,
        }
        (folder / "verdict.json").write_text(json.dumps({**run, **changes}))
        return folder

    return write
