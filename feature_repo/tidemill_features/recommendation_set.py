"""Everything that one training of a recommender reads, built within bounded memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.errors import EventLogError
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.recommendation.histories import ItemTable, RecommendationSet
from tidemill.recommendation.interests import InterestDefinition
from tidemill_features.bounded_log import bounded_log
from tidemill_features.instants import in_microseconds
from tidemill_features.interest_log import InterestLog
from tidemill_features.set_items import choose_items, load_items, save_items
from tidemill_features.set_windows import WindowWriter, load_window

_CUTOFFS_FILE = "cutoffs.json"


def build_recommendation_set(
    home: Home,
    objective: Objective,
    definition: InterestDefinition,
    earlier: datetime,
    later: datetime,
    folder: Path,
) -> RecommendationSet:
    """The set of two cutoffs, in `folder`, which needs room for the log's interest once more.

    Users are all with interest known at a cutoff; items those of the catalogue as of `later`
    with enough users. Raises EventLogError when there is nobody or nothing to learn from.
    """
    cutoffs_us = [in_microseconds(cutoff) for cutoff in (earlier, later)]
    with (
        bounded_log(home, folder) as con,
        closing(InterestLog(con, definition, cutoffs_us)) as log,
    ):
        items = choose_items(log, objective, later)
        _require_items(objective, items, later)
        save_items(folder, items)
        _show(log, "items", "key_id", "item", items.ids)
        _show(log, "contexts", "context", "code", items.contexts)
        item_of = _item_of(log, items)
        for name, cutoff in (("earlier", earlier), ("later", later)):
            WindowWriter(log, objective, cutoff, folder / name).write(item_of)
    cutoffs = {"earlier": earlier.isoformat(), "later": later.isoformat()}
    (folder / _CUTOFFS_FILE).write_text(json.dumps(cutoffs))
    return load_recommendation_set(folder)


def load_recommendation_set(folder: Path) -> RecommendationSet:
    """What `build_recommendation_set` left in `folder`; arrays are read as they are used."""
    cutoffs = json.loads((folder / _CUTOFFS_FILE).read_text())
    earlier, later = (
        load_window(folder / name, datetime.fromisoformat(cutoffs[name]))
        for name in ("earlier", "later")
    )
    return RecommendationSet(folder, load_items(folder), earlier, later)


def _require_items(objective: Objective, items: ItemTable, at: datetime) -> None:
    if not items.ids:
        raise EventLogError(
            f"'{objective.name}' has no item to choose as of {at:%Y-%m-%d %H:%M} UTC",
            hint="check items.where, items.minimum_users and the event names; "
            "`tidemill events list` shows what there is",
        )


def _show(log: InterestLog, name: str, text: str, code: str, texts: Sequence[str]) -> None:
    """A table of the log: each text and its position."""
    columns = {text: pa.array(texts, pa.string()), code: np.arange(len(texts), dtype=np.int32)}
    log.con.register("shown_texts", pa.table(columns))
    log.create(log.table(name), "FROM shown_texts")
    log.con.unregister("shown_texts")


def _item_of(log: InterestLog, items: ItemTable) -> NDArray[np.int32]:
    """The item of each of the log's keys, -1 for none."""
    positions = {item: position for position, item in enumerate(items.ids)}
    return np.array([positions.get(key, -1) for key in log.key_ids()], dtype=np.int32)
