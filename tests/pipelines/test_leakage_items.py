"""Attributes of items have no history: those that follow sales are told, others are not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tidemill.events import EventLog
from tidemill.events.schema import ITEMS
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_pipelines.assessing.findings import Finding
from tidemill_pipelines.assessing.gathering import gather
from tidemill_pipelines.assessing.leakage.items import judge_items
from tidemill_pipelines.assessing.material import Material
from tidemill_pipelines.readiness import check_readiness

MANY = 500


@pytest.fixture
def judged(
    tmp_path: Path,
    home_with: Callable[[Path, pa.Table], Home],
    shop_events: Callable[..., pa.Table],
    objective_of: Callable[..., Objective],
    cutoff: datetime,
) -> Callable[..., Finding]:
    """`judged(attribute, items=MANY)`: of items whose attribute is made from their events."""

    @contextmanager
    def material(attribute: Callable[[Any, Any], Any], items: int) -> Iterator[Material]:
        events, rng = shop_events(400, 120), np.random.default_rng(0)
        sold = rng.choice(items, events.num_rows, p=_popularity(items, rng))
        position = events.schema.get_field_index("item_id")
        ids = pa.array([f"i{n}" for n in sold], pa.string())
        home = home_with(tmp_path, events.set_column(position, "item_id", ids))
        days = _days_ago(events, cutoff)
        said = attribute(lambda since: np.bincount(sold[days <= since], None, items), rng)
        texts = [json.dumps({"kind": str(value)}) for value in said]
        log = EventLog(home.events)
        log.put_items(pa.table([[f"i{n}" for n in range(items)], texts], schema=ITEMS))
        with log.connect(threads=1) as con:
            target = "propensity: {event: order, within: 14d, where: {item.kind: '1'}}"
            objective = objective_of(target, minimum=5)
            windows = check_readiness(con, objective, cutoff).windows
            yield gather(home, con, objective, cutoff, windows)

    def run(attribute: Callable[[Any, Any], Any], items: int = MANY) -> Finding:
        with material(attribute, items) as found:
            before = found.con.execute("SELECT count(*) FROM user_events").fetchall()
            finding = judge_items(found)
            assert found.con.execute("SELECT count(*) FROM user_events").fetchall() == before
            return finding

    return run


def _popularity(items: int, rng: np.random.Generator) -> Any:
    shares = rng.gamma(1.0, 1.0, items)
    return shares / shares.sum()


def _days_ago(events: pa.Table, cutoff: datetime) -> Any:
    stamps = events.column("timestamp").to_pylist()
    return np.array([(cutoff - stamp) / timedelta(days=1) for stamp in stamps])


def test_an_attribute_that_follows_sales_is_told(judged: Callable[..., Finding]) -> None:
    """A rank of the last four weeks is known to no cutoff before them."""
    found = judged(lambda sold_in, rng: np.minimum(sold_in(28) // 8, 6))
    assert (found.level, found.facts["columns"]) == ("warning", ["kind"])


def test_a_lasting_attribute_raises_no_alarm(judged: Callable[..., Finding]) -> None:
    """It says what an item is, and not what became of it."""
    assert judged(lambda sold_in, rng: rng.integers(0, 5, MANY)).level == "ok"


def test_too_few_items_tell_nothing(judged: Callable[..., Finding]) -> None:
    """And that is said, with what to make sure of."""
    found = judged(lambda sold_in, rng: np.arange(40) % 5, items=40)
    assert found.level == "cannot say"
    assert 30 <= found.facts["items"] <= 40
