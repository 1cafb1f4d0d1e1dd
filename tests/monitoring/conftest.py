"""A small shop with known truth: four event names, 500 users, a calibrated model, its logs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from tidemill.bundle import BundleMetadata, PopulationRule
from tidemill.events import EventLog
from tidemill.grading import grade, grade_thresholds
from tidemill.home import Home
from tidemill.objective import Objective, resolve_objective
from tidemill.predictions import PredictionLog, Predictions, hash_features
from tidemill_features.catalog import Catalog, Signal, load_catalog, save_catalog
from tidemill_features.engine import compute_features, to_matrix
from tidemill_features.labels import label_users
from tidemill_monitoring.inputs import MonitorInputs

sys.path.append(str(Path(__file__).parent))

START = datetime(2024, 1, 1, tzinfo=UTC)
OBJECTIVE = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: orders}
spec:
  propensity: {event: order, within: 7d}
  monitoring: {retrain: {cooldown: 48h}}
"""
RATES = {"visit": 1.0, "order": 0.1, "search": 0.4, "add_to_cart": 0.3}
DRIVER = "order__count_56d"
SHARES = (0.1, 0.2, 0.3)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


TEST_CUTOFF, CLOSED_CUTOFF, NOW = day(100), day(110), day(120)


@dataclass
class Shop:
    """A home with events, a served model and a prediction log."""

    home: Home

    @property
    def objective(self) -> Objective:
        return resolve_objective(self.home, "orders")

    @property
    def inputs(self) -> MonitorInputs:
        con = EventLog(self.home.events).connect(threads=1)
        return MonitorInputs(self.home, self.objective, con, NOW, 7)


@pytest.fixture
def open_shop(tmp_path: Path) -> Callable[..., Shop]:
    """`open_shop(renamed=..., spoil=...)`: `spoil` changes the vectors that serving reads."""

    def build(
        renamed: dict[str, str] | None = None,
        spoil: Callable[[NDArray[np.float32], list[str]], None] | None = None,
        users: int = 500,
    ) -> Shop:
        home = Home(tmp_path / "home")
        home.objectives.mkdir(parents=True)
        (home.objectives / "orders.yaml").write_text(OBJECTIVE)
        EventLog(home.events).append(simulate_events(users, renamed or {}))
        save_catalog(home, Catalog((Signal(None), *(Signal(name) for name in RATES))))
        shop = Shop(home)
        weights = _publish(shop)
        _serve(shop, CLOSED_CUTOFF, weights, None)
        _serve(shop, NOW, weights, spoil)
        return shop

    return build


LOG_END = datetime(2024, 6, 1, tzinfo=UTC)
"""Midnight after the last day of the logs of `log_of_days`."""


@dataclass
class Days:
    """Events of one name, so many on each day; the last day ends at LOG_END."""

    name: str
    counts: Sequence[int]
    properties: Callable[[int, int], str] = lambda day, number: "{}"
    """(day, number of the event on its day) to JSON; day 0 is the first."""
    lag: Callable[[int, int], float] = lambda day, number: 0.0
    """Seconds until it arrives."""
    user: Callable[[int, int], str | None] = lambda day, number: f"u{number}"
    device: Callable[[int, int], str | None] = lambda day, number: None

    def rows(self) -> list[dict[str, Any]]:
        first = LOG_END - timedelta(days=len(self.counts))
        found = []
        for day, count in enumerate(self.counts):
            for number in range(count):
                at = first + timedelta(days=day, seconds=86_400 * (number + 0.5) / count)
                row = {
                    "event_id": f"{self.name} {day} {number}",
                    "name": self.name,
                    "user_id": self.user(day, number),
                    "anonymous_id": self.device(day, number),
                    "timestamp": at,
                    "received_at": at + timedelta(seconds=self.lag(day, number)),
                    "properties": self.properties(day, number),
                }
                found.append(row)
        return found


@pytest.fixture
def log_of_days() -> Callable[..., Any]:
    """`log_of_days(Days(...), ..., receipts=[{...}])`: a connection with the views of a log.

    Keywords are rows of the other tables: receipts, dead_letters, marks, identity_owners.
    """

    def build(*days: Days, **others: list[dict[str, Any]]) -> Any:
        import duckdb

        from tidemill.events.identity.owners import OWNERS
        from tidemill.events.schema import DEAD_LETTERS, EVENTS, MARKS, RECEIPTS

        con = duckdb.connect()
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET threads = 1")
        rows = [row for each in days for row in each.rows()]
        con.register("events", pa.Table.from_pylist(rows, schema=EVENTS))
        schemas = {"receipts": RECEIPTS, "dead_letters": DEAD_LETTERS, "marks": MARKS}
        for name, schema in {**schemas, "identity_owners": OWNERS}.items():
            con.register(name, pa.Table.from_pylist(others.get(name, []), schema=schema))
        return con

    return build


@pytest.fixture(scope="session")
def days_of() -> type[Days]:
    """Builds the events of one name."""
    return Days


@pytest.fixture(scope="session")
def log_end() -> datetime:
    return LOG_END


def simulate_events(users: int, renamed: dict[str, str], seed: int = 0) -> pa.Table:
    """Poisson events with a rate of its own per user; renamed names change on day 115."""
    rng = np.random.default_rng(seed)
    names, who, seconds = [], [], []
    for name, rate in RATES.items():
        own = rate * rng.gamma(1.0, 1.0, users)
        count = rng.poisson(own * 120)
        names += [name] * int(count.sum())
        who.append(np.repeat(np.arange(users), count))
        seconds.append(rng.uniform(0, 120 * 86_400, int(count.sum())))
    at = np.concatenate(seconds)
    stamps = [START + timedelta(seconds=float(second)) for second in at]
    names = [renamed.get(n, n) if s >= day(115) else n for n, s in zip(names, stamps, strict=True)]
    rows = len(names)
    none = [None] * rows
    stamp = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "event_id": [str(index) for index in range(rows)],
            "name": names,
            "user_id": [f"u{user}" for user in np.concatenate(who)],
            "anonymous_id": pa.array(none, pa.string()),
            "item_id": pa.array(none, pa.string()),
            "timestamp": pa.array(stamps, stamp),
            "received_at": pa.array(stamps, stamp),
            "value": pa.array(none, pa.float64()),
            "properties": ["{}"] * rows,
        }
    )


def vectors_at(shop: Shop, cutoff: datetime) -> tuple[list[str], NDArray[np.float32]]:
    con = EventLog(shop.home.events).connect(threads=1)
    catalog = load_catalog(shop.home)
    rows = compute_features(con, catalog, [cutoff])
    return rows.column("user_id").to_pylist(), to_matrix(rows, catalog.names)


def _publish(shop: Shop) -> tuple[float, float]:
    users, vectors = vectors_at(shop, TEST_CUTOFF)
    con = EventLog(shop.home.events).connect(threads=1)
    labels = label_users(con, shop.objective.target, TEST_CUTOFF, users)
    features = load_catalog(shop.home).names
    weights = _fit(vectors[:, features.index(DRIVER)], labels)
    scores = _sigmoid(vectors[:, features.index(DRIVER)], weights)
    folder = shop.home.served("orders") / "1"
    folder.mkdir(parents=True)
    (folder.parent / "current").symlink_to("1")
    write_bundle(folder / "model.onnx", features, weights, _metadata(features, scores, labels))
    columns = {name: vectors[:, index] for index, name in enumerate(features)}
    cutoffs = pa.array([TEST_CUTOFF] * len(users), pa.timestamp("us", tz="UTC"))
    table = pa.table({"user_id": users, "cutoff": cutoffs, **columns})
    table = table.append_column("score", pa.array(scores)).append_column("label", pa.array(labels))
    pq.write_table(table, folder / "reference.parquet")
    return weights


def _metadata(
    features: tuple[str, ...], scores: NDArray[np.float64], labels: NDArray[np.bool_]
) -> BundleMetadata:
    return BundleMetadata(
        objective="orders",
        objective_hash="0" * 12,
        feature_view="user_activity",
        features=features,
        horizon_days=7,
        population=PopulationRule(feature="any__days_since_last", max_days=90),
        base_rate=float(labels.mean()),
        grade_thresholds=grade_thresholds(scores, SHARES),
        grade_lift={"A": 2.0, "B": 1.5, "C": 1.0, "D": 0.5},
        metrics={"auc": 0.75, "average_precision": 0.6, "ece": 0.03},
        training_cutoffs=(day(86).isoformat(), day(93).isoformat()),
        test_cutoffs=(TEST_CUTOFF.isoformat(),),
        data_fingerprint="0",
        seed=0,
        packages={},
    )


def write_bundle(
    path: Path, features: tuple[str, ...], weights: tuple[float, float], metadata: BundleMetadata
) -> None:
    """ONNX: sigmoid(slope * driver + intercept), one score per row."""
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    constants = {
        "driver": onnx.numpy_helper.from_array(np.asarray(features.index(DRIVER)), "driver"),
        "slope": onnx.numpy_helper.from_array(np.float32(weights[0]), "slope"),
        "intercept": onnx.numpy_helper.from_array(np.float32(weights[1]), "intercept"),
    }
    nodes = [
        helper.make_node("Gather", ["features", "driver"], ["value"], axis=1),
        helper.make_node("Mul", ["value", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "intercept"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ]
    takes = helper.make_tensor_value_info("features", floats, ["batch", len(features)])
    gives = helper.make_tensor_value_info("score", floats, ["batch"])
    graph = helper.make_graph(nodes, "shop", [takes], [gives], list(constants.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, metadata.to_properties())
    onnx.save(model, path)


def _serve(
    shop: Shop,
    cutoff: datetime,
    weights: tuple[float, float],
    spoil: Callable[[NDArray[np.float32], list[str]], None] | None,
) -> None:
    users, vectors = vectors_at(shop, cutoff)
    features = load_catalog(shop.home).names
    if spoil is not None:
        spoil(vectors, list(features))
    scores = _sigmoid(vectors[:, features.index(DRIVER)], weights)
    log = PredictionLog(shop.home.predictions("orders"))
    log.append(
        Predictions(
            prediction_id=cutoff.isoformat(),
            requested_at=int(cutoff.timestamp() * 1e6),
            objective="orders",
            model_version="1",
            feature_hash=hash_features(features),
            users=users,
            cutoffs=np.full(len(users), int(cutoff.timestamp() * 1e6)),
            cold_start=np.zeros(len(users), dtype=np.bool_),
            scores=scores,
            grades=grade(scores, grade_thresholds(scores, SHARES)).tolist(),
            vectors=vectors,
        )
    )
    log.close()


def _sigmoid(values: NDArray[np.float32], weights: tuple[float, float]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-(weights[0] * values.astype(np.float64) + weights[1])))


def _fit(values: NDArray[np.float32], labels: NDArray[np.bool_]) -> tuple[float, float]:
    """Logistic regression by Newton's method."""
    design = np.column_stack([values, np.ones(len(values))]).astype(np.float64)
    beta = np.zeros(2)
    for _ in range(20):
        share = 1 / (1 + np.exp(-design @ beta))
        weight = (share * (1 - share))[:, None]
        beta += np.linalg.solve(design.T @ (design * weight), design.T @ (labels - share))
    return float(beta[0]), float(beta[1])
