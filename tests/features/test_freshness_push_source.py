"""Whoever pushes through Feast leaves the bytes that the follower leaves."""

import sqlite3
from contextlib import closing

import numpy as np
from feast.data_source import PushMode

from tidemill_features.engine import compute_features
from tidemill_features.feast_store import FeatureStorePort


def stored(home):
    with closing(sqlite3.connect(home.online_store)) as connection:
        return connection.execute("SELECT * FROM rows ORDER BY view, entity").fetchall()


def test_a_push_through_feast_leaves_the_followers_bytes(
    follow_home, tmp_path, cutoff, monkeypatch
):
    """One home is followed, the other gets the same rows through the push source of the view."""
    ours, theirs = follow_home(tmp_path / "ours"), follow_home(tmp_path / "theirs")
    events = [{"user": u, "at": cutoff.replace(second=9), "id": u} for u in ("u1", "u2", "new")]
    for home in (ours, theirs):
        home.receive(*events)
    ours.catch_up(cutoff.replace(second=10))
    pushed_at = cutoff.replace(second=9, microsecond=1)
    with theirs.log.connect() as con:
        rows = compute_features(con, theirs.catalog, [pushed_at], users=["u1", "u2", "new"])
    port = FeatureStorePort(theirs.home, theirs.catalog)
    port._store.push("feature_push", rows.to_pandas(), to=PushMode.ONLINE)
    assert stored(theirs.home) == stored(ours.home)
    fresh = {row[1] for row in stored(ours.home) if row[2] > cutoff.timestamp() * 1e6}
    assert fresh == {"u1", "u2", "new"}
    assert any(np.isnan(np.frombuffer(row[3], "<f4")).any() for row in stored(ours.home))
