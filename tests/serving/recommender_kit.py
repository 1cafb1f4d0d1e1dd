"""A tiny real recommender bundle, its catalogue and its online histories, with known answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser

from tidemill.bundle import MODEL_FILE
from tidemill.home import Home
from tidemill.online import open_online_writer
from tidemill.recommendation.bundle import RecommenderMetadata
from tidemill.recommendation.catalogue import Attribute, Catalogue, always, write_catalogue
from tidemill.recommendation.history import LAYOUT, History, pack_history
from tidemill.recommendation.interests import ACTIVITY, FACTS, InterestDefinition, InterestEvent
from tidemill_serving.model import load_model
from tidemill_serving.predictor import ThreadLogs
from tidemill_serving.recommendation_query import Options, RecommendationQuery
from tidemill_serving.recommender import Recommendations, Recommender
from tidemill_serving.recommender_model import RecommenderModel

NAME = "next-items"
COUNT = 40
ITEMS = tuple(f"i{number}" for number in range(COUNT))
CONTEXTS = ("north", "south")
BASE = -np.arange(COUNT, dtype=np.float32) / 10
"""Log odds of each item for a stranger: i0 is the most popular."""
LOCAL = np.zeros((3, COUNT), dtype=np.float32)
LOCAL[0, 1::2] = 6
"""In the north odd items are more popular than any even one."""
DEFINITION = InterestDefinition(
    events=(InterestEvent(event="order"),), horizon_us=28 * 86_400_000_000
)
BRANDLESS = (0, 4)
USERS = 60
CUTOFF = 1_700_000_000_000_000
PAST, FUTURE = CUTOFF, 4_000_000_000_000_000

_GRAPH = """
recommender (
  int64[n, L] history, float[n, L, 7] facts, float[n, 5] activity, int64[n] context,
  bool[m, ITEMS] allowed, int64[n, E] excluded, int64[1] k
) => (int64[n, c] item, float[n, c] score) {
  users = Shape <start = 0, end = 1> (history)
  table = Concat <axis = 0> (users, width)
  blank = Expand (nil, table)
  is_none = Less (history, zero)
  place = Where (is_none, last, history)
  interest = Gather <axis = 2> (facts, zero)
  interests = ScatterElements <axis = 1, reduction = "add"> (blank, place, interest)
  own = Slice (interests, start, end, second)
  is_nowhere = Less (context, zero)
  somewhere = Where (is_nowhere, nowhere, context)
  here = Gather <axis = 0> (local, somewhere)
  popularity = Add (here, base)
  logits = Add (popularity, own)
  unwanted = UNWANTED
  is_nothing = Less (unwanted, zero)
  struck = Where (is_nothing, last, unwanted)
  shape = Shape (struck)
  ones = Expand (one, shape)
  strikes = ScatterElements <axis = 1> (blank, struck, ones)
  stricken = Slice (strikes, start, end, second)
  is_free = Less (stricken, one)
  is_open = And (is_free, allowed)
  open = Where (is_open, logits, nothing)
  best, found = TopK (open, k)
  is_found = Greater (best, nothing)
  item = Where (is_found, found, none)
  chance = Sigmoid (best)
  score = Where (is_found, chance, nil)
}
"""


def metadata(**changes: Any) -> RecommenderMetadata:
    fields: dict[str, Any] = {
        "objective": NAME,
        "objective_hash": "0123456789ab",
        "interests": DEFINITION,
        "items": ITEMS,
        "contexts": CONTEXTS,
        "count": 5,
        "at_most": {},
        "randomise": 0.0,
        "repeats": True,
        "is_factored": False,
        "model": "popularity",
        "horizon_days": 28.0,
        "metrics": {"ndcg": 0.4},
        "training_cutoffs": ("2026-01-01T00:00:00+00:00",),
        "test_cutoffs": ("2026-02-01T00:00:00+00:00",),
        "data_fingerprint": "f" * 12,
        "seed": 0,
        "packages": {},
    }
    return RecommenderMetadata(**{**fields, **changes})


def write_recommender(folder: Path, bias: float = 0.0, **changes: Any) -> Path:
    """A bundle whose log odds are BASE + LOCAL of the context + the first fact of own items."""
    described = metadata(**changes)
    unwanted = (
        "Identity (excluded)" if described.repeats else "Concat <axis = 1> (history, excluded)"
    )
    text = _GRAPH.replace("ITEMS", str(COUNT)).replace("UNWANTED", unwanted)
    graph = parser.parse_graph(text)
    constants = {
        "zero": np.array(0),
        "last": np.array(COUNT),
        "nowhere": np.array(len(CONTEXTS)),
        "none": np.array(-1),
        "width": np.array([COUNT + 1]),
        "start": np.array([0]),
        "end": np.array([COUNT]),
        "second": np.array([1]),
        "nil": np.array(0, np.float32),
        "one": np.array(1, np.float32),
        "nothing": np.array(-np.inf, np.float32),
        "base": BASE + np.float32(bias),
        "local": LOCAL,
    }
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    helper.set_model_props(model, described.to_properties())
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / MODEL_FILE))
    return folder


def promote(home: Home, version: str, objective: str = NAME, **changes: Any) -> None:
    """Write a bundle and move `current` to it as a promotion does: in one rename."""
    served = home.served(objective)
    write_recommender(served / version, objective=objective, **changes)
    link = served / "next"
    link.symlink_to(version)
    link.rename(served / "current")


def catalogue(
    items: Sequence[str] = ITEMS,
    ends: Mapping[str, int] | None = None,
    brands: Sequence[str] = ("b0", "b1", "b2", "b3"),
) -> Catalogue:
    """`brands` in turn, kind `even` or `odd`; i0 and i4 have no brand. All available until
    `ends`."""
    numbers = np.array([int(item[1:]) for item in items], dtype=np.int32)
    codes = np.where(np.isin(numbers, BRANDLESS), -1, numbers % len(brands)).astype(np.int32)
    brand = Attribute(tuple(brands), codes)
    kind = Attribute(("even", "odd"), numbers % 2)
    start, end = always(len(items))
    for item, instant in (ends or {}).items():
        end[items.index(item)] = instant
    return Catalogue(tuple(items), {"brand": brand, "kind": kind}, start, end)


def history_of(number: int) -> History:
    """What is stored of user `u<number>`: two items, one exclusion that holds and one that does
    not; every tenth has looked at too much, every fourth is in the north."""
    own = (ITEMS[number % COUNT], ITEMS[(number * 7 + 3) % COUNT])
    distinct = tuple(dict.fromkeys(own))
    facts = np.zeros((len(distinct), len(FACTS)), dtype=np.float32)
    facts[:, 0] = [8.0, 4.0][: len(distinct)]
    return History(
        items=distinct,
        facts=facts,
        activity=np.ones(len(ACTIVITY), dtype=np.float32),
        context="north" if number % 4 == 0 else None,
        is_cut=number % 10 == 0,
        excluded={ITEMS[(number + 1) % COUNT]: FUTURE, ITEMS[(number + 2) % COUNT]: PAST},
    )


def logits_of(
    history: History | None, context: str | None = None
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What the graph computes, in NumPy."""
    logits = BASE.copy()
    where = (history.context if history else None) or context
    if where in CONTEXTS:
        logits += LOCAL[CONTEXTS.index(where)]
    if history:
        for item, facts in zip(history.items, history.facts, strict=True):
            logits[ITEMS.index(item)] += facts[0]
    return logits


def ranking(logits: np.ndarray[Any, Any], *without: str) -> list[str]:
    """Items by their log odds, best first."""
    order = np.argsort(-logits, kind="stable")
    return [ITEMS[at] for at in order if ITEMS[at] not in without]


def rows() -> Iterator[tuple[str, int, bytes]]:
    for number in range(USERS):
        yield f"u{number}", CUTOFF, pack_history(history_of(number))


def fill_histories(home: Home) -> None:
    writer = open_online_writer(home)
    writer.write(DEFINITION.view, LAYOUT, rows())
    writer.close()


def fill_catalogue(home: Home, objective: str = NAME, **changes: Any) -> None:
    write_catalogue(home.catalogue(objective), catalogue(**changes))


def prepare_home(root: Path, **changes: Any) -> Home:
    """A home with histories, a catalogue, and version 1 promoted."""
    home = Home(root)
    fill_histories(home)
    fill_catalogue(home)
    promote(home, "1", **changes)
    return home


def open_recommender(home: Home, logs: ThreadLogs | None = None) -> Recommender:
    model = load_model(home.served(NAME) / "current", NAME, "1")
    assert isinstance(model, RecommenderModel)
    return Recommender(model, home, logs or ThreadLogs(home.predictions(NAME)))


def recommend(
    recommender: Recommender,
    *users: str,
    sessions: Sequence[Sequence[str]] = (),
    **options: Any,
) -> Recommendations:
    """The answer about some users, then some sessions."""
    everybody = [*users, *[None] * len(sessions)]
    by_row = {len(users) + at: session for at, session in enumerate(sessions)}
    return recommender.predict(RecommendationQuery(everybody, by_row, Options(**options)))


def lists(answer: Recommendations) -> list[list[str]]:
    """Item ids of each list."""
    return [
        row[:length]
        for row, length in zip(answer.items.tolist(), answer.lengths.tolist(), strict=True)
    ]
