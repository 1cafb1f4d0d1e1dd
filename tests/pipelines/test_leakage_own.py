"""The home's own log and features: what would let the future in, and what only looks like it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_pipelines.assessing.gathering import gather
from tidemill_pipelines.assessing.leakage.arrivals import judge_arrivals
from tidemill_pipelines.assessing.leakage.own import audit_log, judge_purge, judge_rebuild
from tidemill_pipelines.assessing.leakage.profiles import judge_profiles
from tidemill_pipelines.assessing.material import Material
from tidemill_pipelines.readiness import WindowCount, check_readiness


@pytest.fixture(scope="module")
def material_of(
    home_with: Callable[[Path, pa.Table], Home],
    objective_of: Callable[..., Objective],
    cutoff: datetime,
) -> Callable[[Path, pa.Table], Material]:
    def build(folder: Path, events: pa.Table) -> Material:
        home, objective = home_with(folder, events), objective_of()
        con = EventLog(home.events).connect(threads=1)
        windows = check_readiness(con, objective, cutoff).windows
        return gather(home, con, objective, cutoff, windows)

    return build


@pytest.fixture(scope="module")
def material(
    material_of: Callable[[Path, pa.Table], Material],
    shop_events: Callable[..., pa.Table],
    tmp_path_factory: pytest.TempPathFactory,
) -> Material:
    return material_of(tmp_path_factory.mktemp("sound"), shop_events(400, 120))


def _counts(*pairs: tuple[int, int]) -> list[WindowCount]:
    return [WindowCount(f"2024-0{n}-01", users, hits) for n, (users, hits) in enumerate(pairs, 1)]


def test_a_sound_log_raises_no_alarm(material: Material) -> None:
    """Late arrivals included: features wait for them."""
    found = audit_log(material, _counts((400, 100), (400, 110)))
    assert {finding.level for finding in found} == {"ok"}


def test_features_equal_those_of_a_log_without_future(material: Material) -> None:
    """One value that knows more is enough."""
    assert judge_rebuild(material).level == "ok"
    vectors = material.test.vectors.copy()
    vectors[:, 0] += 1
    wrong = replace(material, test=replace(material.test, vectors=vectors))
    assert judge_rebuild(wrong).facts["different"] > 0


def test_the_views_are_as_before_after_a_rebuild(material: Material) -> None:
    """The rest of an assessment reads the whole log again."""
    count = "SELECT count(*) FROM user_events"
    before = material.con.execute(count).fetchall()
    judge_rebuild(material)
    assert material.con.execute(count).fetchall() == before


def test_events_written_once_the_outcome_is_there_are_told(
    con_of: Callable[..., Any],
    events_of: Callable[..., pa.Table],
    objective_of: Callable[..., Objective],
    cutoff: datetime,
) -> None:
    """They lie before the order, and arrive right after it; others arrive whenever."""
    rows = []
    for n in range(60):
        ordered = cutoff - timedelta(days=10 + n % 30)
        rows.append({"user": f"u{n}", "name": "order", "at": ordered})
        written = {"at": ordered - timedelta(days=3), "received": ordered + timedelta(hours=1)}
        rows.append({"user": f"u{n}", "name": "interest", **written})
        late = {"at": ordered - timedelta(days=9), "received": ordered - timedelta(days=5)}
        rows.append({"user": f"u{n}", "name": "letter", **late})
    found = judge_arrivals(con_of(events_of(*rows)), objective_of().target, cutoff)
    assert (found.level, found.facts["events"]) == ("warning", ["interest"])


def test_outcomes_missing_from_all_older_windows_are_told() -> None:
    """Who did nothing is deleted after a while; growth brings both outcomes."""
    assert judge_purge(_counts((100, 60), (110, 60), (400, 62))).level == "warning"
    assert judge_purge(_counts((100, 20), (110, 22), (400, 80))).level == "ok"


@pytest.mark.parametrize(("until_now", "level"), [(True, "warning"), (False, "ok")])
def test_a_property_of_today_on_old_events_is_told(
    until_now: bool,
    level: str,
    material_of: Callable[[Path, pa.Table], Material],
    shop_events: Callable[..., pa.Table],
    tmp_path: Path,
) -> None:
    """Joined at the export it knows all visits of a user; a trait known from the start does not."""
    events = shop_events(700, 120)
    _, of = np.unique(np.asarray(events.column("user_id").to_pylist()), return_inverse=True)
    visits = np.bincount(of[np.asarray(events.column("name").to_pylist()) == "visit"], None, 700)
    trait = np.random.default_rng(0).integers(0, 40, 700)
    said = visits if until_now else trait
    texts = [f'{{"level":"{said[user]}"}}' for user in of]
    events = events.set_column(8, events.field(8), pa.array(texts, pa.string()))
    assert judge_profiles(material_of(tmp_path, events)).level == level
