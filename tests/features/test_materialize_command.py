"""`tidemill features materialize` every hour on a cluster: into Redis, two at once, for years."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.online import open_online_reader
from tidemill_features.catalog import FEATURE_VIEW, Catalog, Signal, save_catalog
from tidemill_features.engine import to_matrix
from tidemill_features.feast_store import FeatureStorePort
from tidemill_features.materialization import materialize
from tidemill_features.rows import ensure_rows, read_rows, rows_folder

CATALOG = Catalog((Signal(None), Signal("order")))


@pytest.fixture
def home(tmp_path, shop_events):
    home = Home(tmp_path)
    EventLog(home.events).append(shop_events(20, 60))
    save_catalog(home, CATALOG)
    return home


@pytest.fixture
def redis_home(home, redis_server, monkeypatch):
    monkeypatch.setenv("TIDEMILL_ONLINE_STORE", redis_server.url)
    return home


def start(home, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tidemill.cli", "features", "materialize", *arguments],
        env={**os.environ, "TIDEMILL_HOME": str(home.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stored(home):
    reader = open_online_reader(home, FEATURE_VIEW, CATALOG.names)
    return reader.read(reader.entities())


@pytest.mark.parametrize("where", ["home", "redis_home"])
def test_two_at_once_both_finish(request, cutoff, where):
    """Into a store that neither has seen before."""
    home = request.getfixturevalue(where)
    both = [start(home, "--at", cutoff.isoformat(), "--json") for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    users = {json.loads(out)["users"] for out, _ in said}
    assert users == {len(stored(home).vectors)}


def test_redis_holds_the_bytes_that_were_computed(redis_home, cutoff):
    """And the home holds no store of its own."""
    materialize(redis_home, cutoff)
    rows = read_rows(redis_home, CATALOG, cutoff)
    online = open_online_reader(redis_home, FEATURE_VIEW, CATALOG.names).read(
        rows["user_id"].to_pylist()
    )
    assert online.vectors.tobytes() == to_matrix(rows, CATALOG.names).tobytes()
    assert not redis_home.online_store.exists()


def test_feast_fills_and_reads_the_same_redis(redis_home, cutoff):
    """`materialize` and `get_online_features` of the packed store, its `path` being a URL."""
    list(ensure_rows(redis_home, CATALOG, [cutoff]))
    port = FeatureStorePort(redis_home, CATALOG)
    port.materialize(cutoff)
    by_feast = port.online_rows(["u3", "nobody"])
    packed = open_online_reader(redis_home, FEATURE_VIEW, CATALOG.names).read(["u3", "nobody"])
    answers = np.array([by_feast[name] for name in CATALOG.names], dtype=np.float32)
    np.testing.assert_array_equal(answers, packed.vectors.T)
    assert packed.found.tolist() == [True, False]


def test_an_hour_leaves_no_file_behind_for_years(home, cutoff):
    """Rows made for the store are kept until the next time; rows to train on stay."""
    hours = [cutoff - timedelta(hours=hour) for hour in (3, 2, 1)]
    list(ensure_rows(home, CATALOG, [hours[1], cutoff - timedelta(days=20)]))
    for hour in [*hours, cutoff]:
        materialize(home, hour)
    kept = sorted(path.name[:11] for path in rows_folder(home, CATALOG).iterdir())
    assert kept == ["20240512T00", "20240531T22", "20240601T00"]


@pytest.mark.parametrize("at", [[], ["--at", "2024-06-01"]])
def test_without_events_there_is_nothing_to_do_yet(tmp_path, at):
    """Exit code 0: a CronJob must not fail every hour until the first import."""
    process = start(Home(tmp_path), *at)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "tidemill events import" in err


def test_a_cutoff_before_all_events_is_an_error(home):
    """Exit code 1: that is a mistake, and the store stays as it is."""
    process = start(home, "--at", "2001-01-01")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "knows no user before 2001-01-01" in err
