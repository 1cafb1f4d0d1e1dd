"""What serving used is what a rebuild from the whole log gives, to the last bit.

The log fills up as it would live: at every cutoff it holds what had been received by then, late
events arrive after it, and at the end everything is rebuilt at once.
"""

import os
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import onnx
import pyarrow.compute as pc
import pytest

from tidemill.bundle import BundleMetadata, PopulationRule
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.predictions import read_predictions
from tidemill_features.catalog import Signal, load_catalog, save_catalog
from tidemill_features.discovery import discover_signals
from tidemill_features.engine import compute_features, to_matrix
from tidemill_features.materialization import materialize_rows
from tidemill_features.rows import ensure_rows, read_rows
from tidemill_serving.repository import Repository, promoted
from tidemill_serving.stored_rows import Query

OBJECTIVE = "orders"
USERS = 250
DAYS_AGO = (21, 14.3, 13.3, 6.71, 0)
PAIRS_PER_CUTOFF = 200


@pytest.fixture(scope="module")
def events(shop_events):
    return shop_events(USERS, 60)


@pytest.fixture(scope="module")
def cutoffs(cutoff):
    return [cutoff - timedelta(days=days) for days in DAYS_AGO]


@pytest.fixture(scope="module")
def live(tmp_path_factory, events, cutoffs):
    """As in production: at each cutoff events arrive, rows are materialised, users ask."""
    home = Home(tmp_path_factory.mktemp("no-skew"))
    log, rng, asked = EventLog(home.events), np.random.default_rng(0), []
    for number, cutoff in enumerate(cutoffs):
        log.append(events.filter(pc.less(events["received_at"], cutoff)))
        if number == 0:
            grow_catalog(home, log, cutoff)
            repository, catalog = serve(home), load_catalog(home)
        list(ensure_rows(home, catalog, [cutoff]))
        materialize_rows(home, catalog, read_rows(home, catalog, cutoff))
        users = [f"u{user}" for user in rng.choice(USERS, PAIRS_PER_CUTOFF)]
        repository.get(OBJECTIVE).predict(Query(users=users))
        asked.append(users)
    log.append(events)
    return SimpleNamespace(home=home, log=log, asked=asked)


@pytest.fixture(scope="module")
def rebuilt(live, cutoffs):
    """(user, cutoff in us) to vector, from the log as it is after everything."""
    return vectors_of(live.log, load_catalog(live.home), cutoffs)


@pytest.fixture(scope="module")
def served(live):
    """(user, cutoff, vector, cold start) of every prediction, from the log."""
    return [
        row
        for found in read_predictions(live.home.predictions(OBJECTIVE))
        for row in zip(found.users, found.cutoffs, found.vectors, found.cold_start, strict=True)
    ]


def test_served_vectors_equal_their_rebuild(served, rebuilt):
    """A thousand pairs of user and cutoff; no value differs in any bit, missing ones included."""
    assert len(served) == 1000
    warm = [(rebuilt[user, int(at)], vector) for user, at, vector, cold in served if not cold]
    assert len(warm) > 900
    expected, used = (np.array(side, dtype=np.float32) for side in zip(*warm, strict=True))
    np.testing.assert_array_equal(np.isnan(used), np.isnan(expected))
    same = (used.view(np.uint32) == expected.view(np.uint32)) | np.isnan(expected)
    assert same.all()


def test_each_prediction_used_the_newest_cutoff(live, served, cutoffs):
    """Not the row of a week before."""
    expected = [int(at.timestamp() * 1e6) for at in cutoffs for _ in range(PAIRS_PER_CUTOFF)]
    used = [(user, at) for user, at, _, cold in served if not cold]
    asked = zip([user for users in live.asked for user in users], expected, strict=True)
    assert used == [pair for pair, row in zip(asked, served, strict=True) if not row[3]]


def test_a_cold_start_is_somebody_the_rebuild_does_not_know_either(live, rebuilt, cutoffs):
    """Users without any event known at the cutoff."""
    predictions = list(read_predictions(live.home.predictions(OBJECTIVE)))
    for at, found in zip(cutoffs, predictions, strict=True):
        for user, cold in zip(found.users, found.cold_start, strict=True):
            assert cold == ((user, int(at.timestamp() * 1e6)) not in rebuilt)


def test_late_events_would_have_made_a_difference(events, rebuilt, live, cutoffs):
    """The trap is real: had they been known when they happened, these vectors would differ."""
    punctual = events.set_column(
        events.column_names.index("received_at"),
        events.schema.field("received_at"),
        events["timestamp"],
    )
    root = live.home.root / "punctual"
    EventLog(root).append(punctual)
    vectors = vectors_of(EventLog(root), load_catalog(live.home), cutoffs)
    changed = [k for k in rebuilt if not np.array_equal(rebuilt[k], vectors[k], equal_nan=True)]
    assert len(changed) > 50


def vectors_of(log, catalog, cutoffs):
    rows = compute_features(log.connect(), catalog, cutoffs)
    stamps = rows["event_timestamp"].cast("int64").to_pylist()
    keys = zip(rows["user_id"].to_pylist(), stamps, strict=True)
    return dict(zip(keys, to_matrix(rows, catalog.names), strict=True))


def grow_catalog(home, log, cutoff):
    narrowed = Signal("order", {"property.device": "phone"})
    found = discover_signals(log.connect(), cutoff)
    save_catalog(home, load_catalog(home).grown_by([*found, narrowed]))


def serve(home):
    """A promoted model over the whole catalog; what it answers does not matter here."""
    folder = home.served(OBJECTIVE) / "1"
    folder.mkdir(parents=True)
    onnx.save(model_of(load_catalog(home).names), folder / "model.onnx")
    os.symlink("1", folder.parent / "current")
    repository = Repository(home, promoted(home, [OBJECTIVE]))
    repository.load()
    return repository


def model_of(features):
    """The score is the share of missing values."""
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Cast", ["missing"], ["ones"], to=floats),
        helper.make_node("ReduceMean", ["ones", "axis"], ["score"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "share of missing values",
        [helper.make_tensor_value_info("features", floats, ["batch", len(features)])],
        [helper.make_tensor_value_info("score", floats, ["batch"])],
        [helper.make_tensor("axis", onnx.TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, metadata_of(features).to_properties())
    return model


def metadata_of(features):
    return BundleMetadata(
        objective=OBJECTIVE,
        objective_hash="0" * 12,
        feature_view="user_activity",
        features=features,
        horizon_days=14,
        population=PopulationRule(feature="any__days_since_last", max_days=90),
        base_rate=0.1,
        grade_thresholds=(0.6, 0.4, 0.2),
        grade_lift={},
        metrics={},
        training_cutoffs=(),
        test_cutoffs=(),
        data_fingerprint="0",
        seed=0,
        packages={},
    )
