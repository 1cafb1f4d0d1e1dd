"""The audit of the home's own log and features, which know no future by construction: is it so?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import duckdb
import numpy as np
from numpy.typing import NDArray

from tidemill_features.engine import compute_features, to_matrix
from tidemill_features.sql import known_at
from tidemill_pipelines.assessing.findings import Finding, blocking, ok, warning
from tidemill_pipelines.assessing.leakage.arrivals import judge_arrivals
from tidemill_pipelines.assessing.leakage.items import judge_items
from tidemill_pipelines.assessing.leakage.power import rarer_of, too_powerful
from tidemill_pipelines.assessing.leakage.profiles import judge_profiles
from tidemill_pipelines.assessing.leakage.regression import folds_of, probabilities
from tidemill_pipelines.assessing.leakage.saying import of_power
from tidemill_pipelines.assessing.material import Material
from tidemill_pipelines.dataset import Rows
from tidemill_pipelines.readiness import WindowCount

_REBUILT = 30
"""Users whose features are computed once more."""
_MOST_ROWS = 6_000
_COMMONER = 2.0
"""Times as many of the commoner outcome as in any window before, with the rarer one as ever."""
_SAME = 1.5
_WHY_REBUILD = "Equal features from a log without its future prove that none of it was read."
_WHY_PURGED = "Who was removed because nothing happened cannot be learnt from as a negative."


def audit_log(material: Material, counts: Sequence[WindowCount]) -> list[Finding]:
    """Everything but what only a table from elsewhere can bring; `counts` end with the test's."""
    return list(_findings(material, counts))


def _findings(material: Material, counts: Sequence[WindowCount]) -> Iterator[Finding]:
    yield judge_rebuild(material)
    yield judge_arrivals(material.con, material.objective.target, material.at)
    yield judge_purge(counts)
    yield judge_items(material)
    yield judge_profiles(material)
    yield judge_features(material)


def judge_rebuild(material: Material) -> Finding:
    """Features of some users at the test cutoff, from a log that ends there."""
    check, test = "leakage-rebuild", material.test
    chosen = np.random.default_rng(0).permutation(len(test.users))[:_REBUILT]
    users = test.users[chosen].tolist()
    with _only_known(material.con, int(test.cutoffs[0]), users) as con:
        rows = compute_features(con, material.catalog, [material.windows.test], users)
    place = {user: row for row, user in enumerate(rows.column("user_id").to_pylist())}
    again = to_matrix(rows, test.features)
    same = [
        user in place and np.array_equal(test.vectors[row], again[place[user]], equal_nan=True)
        for user, row in zip(users, chosen, strict=True)
    ]
    different = len(same) - sum(same)
    seen = (
        f"Features of {len(same)} users were computed again from a log that ends at the test cutoff"
    )
    if not different:
        return ok(check, f"{seen}, and are equal.", _WHY_REBUILD, users=len(same))
    return blocking(
        check,
        f"{seen}; those of {different} differ.",
        _WHY_REBUILD,
        "delete the computed features, so that they are computed anew; events were lost or added",
        users=len(same),
        different=different,
    )


@contextmanager
def _only_known(
    con: duckdb.DuckDBPyConnection, cutoff_us: int, users: list[str]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The connection, whose `user_events` hold only what was known of `users` at the cutoff."""
    cutoff = f"make_timestamptz({cutoff_us})"
    con.execute(
        "CREATE TEMP TABLE known_only AS SELECT * REPLACE (NULL::TIMESTAMPTZ AS superseded_at) "
        f"FROM user_events WHERE {known_at(cutoff)} AND user_id IN (SELECT unnest($users))",
        {"users": users},
    )
    con.execute("CREATE TEMP VIEW user_events AS FROM known_only")
    try:
        yield con
    finally:
        con.execute("DROP VIEW temp.user_events")
        con.execute("DROP TABLE known_only")


def judge_purge(counts: Sequence[WindowCount]) -> Finding:
    """Whether the commoner outcome is missing from all windows but the newest."""
    check = "leakage-purge"
    positives = np.array([count.positives for count in counts], dtype=np.float64)
    negatives = np.array([count.users for count in counts]) - positives
    is_rare = positives.sum() <= negatives.sum()
    rarer, commoner = (positives, negatives) if is_rare else (negatives, positives)
    before, newest = commoner[:-1].max(initial=0), commoner[-1]
    steady = rarer[:-1].mean() / _SAME <= rarer[-1] <= rarer[:-1].mean() * _SAME
    facts = {"rarer": rarer.tolist(), "commoner": commoner.tolist()}
    if not (steady and newest >= _COMMONER * max(before, 1.0)):
        return ok(
            check,
            "Neither outcome is suddenly commoner in the newest window.",
            _WHY_PURGED,
            **facts,
        )
    seen = (
        f"The commoner outcome came true for {newest:,.0f} users in the newest window and for at "
        f"most {before:,.0f} in any before, the rarer one as often as ever."
    )
    do = "find out whether users without the outcome are deleted, and keep their events"
    return warning(check, seen, _WHY_PURGED, do, **facts)


def judge_features(material: Material) -> Finding:
    """Features that tell the outcome for certain, though nothing else that is known does."""
    rows = _labelled(material)
    signals = material.catalog.features
    names = np.array([feature.signal.event or "" for feature in signals])
    plain = np.array([not feature.signal.where for feature in signals])
    rarer, folds = rarer_of(rows.labels), folds_of(rows.users)

    @cache
    def without(event: str) -> NDArray[np.float64]:
        kept = plain & (names != event) & (names != "")
        return probabilities(rows.vectors[:, kept].astype(np.float64), rarer, folds)

    event_of = dict(zip(rows.features, names.tolist(), strict=True))
    columns = {name: rows.column(name).astype(np.float64) for name in rows.features}
    found = too_powerful(columns, rows.labels, rows.cutoffs, lambda name: without(event_of[name]))
    own = [power for power in found if power.sign != "fades" and event_of[power.column]]
    return of_power([(power.column, power) for power in own], is_own=True)


def _labelled(material: Material) -> Rows:
    """Training and test rows, at most _MOST_ROWS of them, drawn at random."""
    parts = (material.train, material.test)
    chosen = np.random.default_rng(0).permutation(sum(len(part.users) for part in parts))
    chosen = np.sort(chosen[:_MOST_ROWS])
    return Rows(
        users=np.concatenate([part.users for part in parts])[chosen],
        cutoffs=np.concatenate([part.cutoffs for part in parts])[chosen],
        labels=np.concatenate([part.labels for part in parts])[chosen],
        vectors=np.concatenate([part.vectors for part in parts])[chosen],
        features=material.train.features,
    )
