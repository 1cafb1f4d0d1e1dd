"""Feast sees the catalog, and its online answers are the packed rows that serving reads."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tidemill.errors import OnlineStoreError
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.online import open_online_reader
from tidemill_features.catalog import FEATURE_VIEW, Catalog, Signal, save_catalog
from tidemill_features.engine import to_matrix
from tidemill_features.feast_store import FeatureStorePort
from tidemill_features.materialization import materialize_rows
from tidemill_features.rows import ensure_rows, read_rows

REPOSITORY = Path(__file__).parents[2] / "feature_repo"
CATALOG = Catalog((Signal(None), Signal("order"), Signal('Größe "XL"')))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, shop_events, cutoff):
    """A copy of the Feast repository beside a home with rows of two cutoffs."""
    root = tmp_path_factory.mktemp("checkout")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY, root / "feature_repo", ignore=ignore)
    home = Home(root / ".tidemill")
    EventLog(home.events).append(shop_events(30, 60))
    save_catalog(home, CATALOG)
    list(ensure_rows(home, CATALOG, [cutoff - timedelta(days=20), cutoff]))
    return root


@pytest.fixture(scope="module")
def home(checkout):
    return Home(checkout / ".tidemill")


@pytest.fixture(scope="module")
def applied(checkout):
    """What `feast apply` says, run by hand in the folder."""
    folder = checkout / "feature_repo"
    # Or an editable install would bring in the definitions of its own checkout.
    paths = {"PYTHONPATH": str(folder), "FEAST_USAGE": "False"}
    return subprocess.run(
        [str(Path(sys.executable).with_name("feast")), "apply"],
        cwd=folder,
        env={**os.environ, **paths},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.fixture(scope="module")
def store(applied, checkout):
    from feast import FeatureStore

    assert applied.returncode == 0, applied.stderr
    return FeatureStore(str(checkout / "feature_repo"))


@pytest.fixture(scope="module")
def port(home, cutoff):
    """Tidemill's own view of the store, filled as of the cutoff."""
    port = FeatureStorePort(home, CATALOG)
    port.materialize(cutoff)
    return port


def packed(home, users):
    return open_online_reader(home, FEATURE_VIEW, CATALOG.names).read(users)


def stored(home):
    with closing(sqlite3.connect(home.online_store)) as connection:
        rows = connection.execute("SELECT * FROM rows ORDER BY view, entity").fetchall()
        return rows + connection.execute("SELECT view, features FROM views").fetchall()


def bits(columns):
    """[names, users] float32, None as NaN."""
    return np.array([columns[name] for name in CATALOG.names], dtype=np.float32)


def test_feast_apply_works_on_the_folder_as_it_stands(store):
    """The view has a column for every feature of the home beside the checkout."""
    view = store.get_feature_view(FEATURE_VIEW)
    assert [field.name for field in view.features] == list(CATALOG.names)
    assert [entity.name for entity in store.list_entities()] == ["user"]
    assert [service.name for service in store.list_feature_services()] == ["user_activity_service"]


def test_materialised_rows_are_the_computed_rows(home, port, cutoff):
    """Bit for bit, those of the cutoff and not of an older one."""
    rows = read_rows(home, CATALOG, cutoff)
    online = packed(home, rows["user_id"].to_pylist())
    np.testing.assert_array_equal(online.vectors, to_matrix(rows, CATALOG.names))
    assert set(online.cutoffs.tolist()) == {int(cutoff.timestamp() * 1e6)}


def test_the_quick_way_leaves_the_same_bytes(home, port, cutoff, tmp_path):
    """Tidemill fills the store without Feast's protobufs, and nobody can tell."""
    quick = Home(tmp_path)
    materialize_rows(quick, CATALOG, read_rows(home, CATALOG, cutoff))
    assert stored(quick) == stored(home)
    assert len(stored(home)) > 20


def test_serving_reads_what_feast_answers(home, port):
    """`get_online_features` and the packed read agree on every bit, missing values included."""
    users = ["u3", "nobody", "u1", "u3"]
    online = packed(home, users)
    np.testing.assert_array_equal(bits(port.online_rows(users)), online.vectors.T)
    assert online.found.tolist() == [True, False, True, True]
    assert np.isnan(online.vectors).any(axis=1).all()


def test_the_folders_store_answers_the_same(store, port):
    """Whoever uses Feast by itself in the folder reads the same store."""
    service = store.get_feature_service("user_activity_service")
    answer = store.get_online_features(service, [{"user_id": "u1"}]).to_dict()
    np.testing.assert_array_equal(bits(answer), bits(port.online_rows(["u1"])))


def test_training_rows_are_as_of_their_own_cutoff(home, port, cutoff):
    """Feast's point-in-time join gives each user the row of the cutoff asked for."""
    then = cutoff - timedelta(days=20)
    found = port.training_rows(["u1", "u1"], [then, cutoff]).sort_by("event_timestamp")
    expected = [to_matrix(read_rows(home, CATALOG, at), CATALOG.names) for at in (then, cutoff)]
    users = [read_rows(home, CATALOG, at)["user_id"].to_pylist() for at in (then, cutoff)]
    rows = [matrix[names.index("u1")] for matrix, names in zip(expected, users, strict=True)]
    np.testing.assert_array_equal(to_matrix(found, CATALOG.names), np.array(rows))


def test_a_pushed_row_is_served_at_once(store, home, port, cutoff):
    """Through Feast's push source, and only where it is newer than what is there."""
    later = cutoff + timedelta(hours=1)
    fresh = {name: [np.float32(7)] for name in CATALOG.names}
    store.push(
        "feature_push", pd.DataFrame({"user_id": ["u5"], "event_timestamp": [later], **fresh})
    )
    assert packed(home, ["u5"]).vectors.tolist() == [[7.0] * len(CATALOG.names)]
    port.materialize(cutoff)
    assert packed(home, ["u5"]).vectors.tolist() == [[7.0] * len(CATALOG.names)]


def test_only_a_single_text_entity_has_a_row():
    """A packed row is found by one string; anything else would be another store."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    from tidemill_features.online_store import _entity

    text, number = Value(string_val="u1"), Value(int64_val=1)
    assert _entity(EntityKey(join_keys=["user_id"], entity_values=[text])) == "u1"
    for key in ([number], [text, text]):
        with pytest.raises(OnlineStoreError, match="one string entity"):
            _entity(EntityKey(join_keys=["user_id"] * len(key), entity_values=key))
