"""What was pushed is what a batch and a rebuild give, whatever comes late, twice or anonymously."""

from datetime import timedelta

import numpy as np
import pytest

from tidemill.home import Home
from tidemill.online import open_online_reader
from tidemill_features.catalog import FEATURE_VIEW
from tidemill_features.engine import compute_features, to_matrix
from tidemill_features.materialization import materialize_rows
from tidemill_features.pairs import compute_pairs

TICKS, TICK = 12, timedelta(seconds=20)
USERS, DEVICES = [f"u{n}" for n in range(8)], [f"d{n}" for n in range(6)]


def stored(home, catalog):
    """(user, cutoff in us) to vector, of everybody in the store."""
    reader = open_online_reader(home, FEATURE_VIEW, catalog.names)
    users = reader.entities()
    found = reader.read(users)
    return dict(zip(zip(users, found.cutoffs.tolist(), strict=True), found.vectors, strict=True))


def same(one, other):
    return one.tobytes() == other.tobytes() or np.array_equal(one, other, equal_nan=True)


def random_events(rng, tick, now, sent):
    """What is in the log by `now` and was not a tick before; it takes two seconds to get there."""
    rows = []
    for number, before in enumerate(sorted(rng.uniform(2, 22, rng.integers(1, 6)), reverse=True)):
        received = now - timedelta(seconds=float(before))
        late = [0, rng.uniform(0, 3), rng.uniform(0, 9e5), -rng.uniform(0, 90)]
        row = {"at": received - timedelta(seconds=float(rng.choice(late))), "received": received}
        row |= {"id": f"r{tick}-{number}", "value": round(float(rng.gamma(2, 9)), 2)}
        row |= {"user": rng.choice(USERS) if rng.random() < 0.6 else None, "item": "i1"}
        row |= {"properties": rng.choice(['{"device": "phone"}', "{}"])}
        row |= {"name": rng.choice(["order", "visit"])}
        row["device"] = rng.choice(DEVICES) if row["user"] is None or rng.random() < 0.3 else None
        if row["user"] is not None and rng.random() < 0.15:
            previous = rng.choice(USERS + DEVICES)
            row |= {"name": "$alias", "properties": f'{{"previous_id": "{previous}"}}'}
        if sent and rng.random() < 0.2:
            row["id"] = rng.choice(sent)
        sent.append(row["id"])
        rows.append(row)
    return rows


@pytest.fixture(scope="module", params=range(4))
def lived(request, follow_home, tmp_path_factory, cutoff):
    """A home that was followed through some minutes; every row that was ever in its store."""
    followed = follow_home(tmp_path_factory.mktemp("lived"))
    rng, sent, seen = np.random.default_rng(request.param), [], {}
    for tick in range(1, TICKS + 1):
        now = cutoff + tick * TICK
        followed.receive(*random_events(rng, tick, now, sent))
        followed.catch_up(now)
        seen |= stored(followed.home, followed.catalog)
    # What lay in the future is past by now.
    followed.catch_up(now + timedelta(minutes=5))
    return followed, seen, now + timedelta(minutes=5)


def test_every_row_ever_pushed_equals_its_rebuild(lived):
    """From the log as it is at the end, at the cutoff of each row, bit for bit."""
    followed, seen, _ = lived
    users, cutoffs = zip(*seen, strict=True)
    assert len(set(cutoffs)) > TICKS / 2
    with followed.log.connect(threads=1) as con:
        catalog = followed.catalog
        rebuilt = compute_pairs(con, catalog, catalog.names, users, cutoffs)
    assert [
        pair for pair, row in zip(seen, rebuilt, strict=True) if not same(seen[pair], row)
    ] == []


def test_a_batch_at_the_same_instant_leaves_the_same_bytes(lived, tmp_path):
    """In a store of its own, for every user who was pushed last."""
    followed, _, _ = lived
    pushed = stored(followed.home, followed.catalog)
    cutoff = max(at for _, at in pushed)
    fresh = Home(tmp_path / "fresh")
    with followed.log.connect(threads=1) as con:
        rows = compute_features(con, followed.catalog, [followed.instant(cutoff)])
    materialize_rows(fresh, followed.catalog, rows)
    batch = stored(fresh, followed.catalog)
    last = {pair for pair in pushed if pair[1] == cutoff}
    assert last
    assert all(same(pushed[pair], batch[pair]) for pair in last)


def test_nothing_was_missed(lived):
    """Everybody's events and sums so far are those of a batch now, and nobody is too many."""
    followed, _, now = lived
    grows = [name for name in followed.catalog.names if name.endswith(("count_ever", "value_ever"))]
    with followed.log.connect(threads=1) as con:
        rows = compute_features(con, followed.catalog, [now])
    expected = dict(zip(rows["user_id"].to_pylist(), to_matrix(rows, grows), strict=True))
    reader = open_online_reader(followed.home, FEATURE_VIEW, grows)
    assert reader.entities() == sorted(expected)
    found = reader.read(sorted(expected)).vectors
    wrong = [
        u for u, row in zip(sorted(expected), found, strict=True) if not same(row, expected[u])
    ]
    assert wrong == []
