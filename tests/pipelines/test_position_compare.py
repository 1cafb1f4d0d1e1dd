"""`tidemill compare`: a version valued by what users did with the lists of the live one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper, parser
from typer.testing import CliRunner

from tidemill.cli.main import build_app
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import Objective, keep_objective
from tidemill.recommendation.bundle import RecommenderMetadata
from tidemill.recommendation.catalogue import Catalogue, always, write_catalogue
from tidemill.recommendation.interests import interests_of
from tidemill.recommendation.shown import Shown, ShownLog
from tidemill.registry import Registry

COUNT, USERS, DAYS = 8, 50, 24
SHARE = 0.3
ITEMS = tuple(f"i{number}" for number in range(COUNT))
INTEREST = np.linspace(0.15, 0.85, COUNT)
"""Of items i0, i1, ...; the live version shows the least interesting first."""
_GRAPH = """
recommender (
  int64[n, L] history, float[n, L, 7] facts, float[n, 5] activity, int64[n] context,
  bool[m, ITEMS] allowed, int64[n, E] excluded, int64[1] k
) => (int64[n, c] item, float[n, c] score) {
  open = Where (allowed, base, nothing)
  score, item = TopK (open, k)
}
"""


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory,
    objective_of: Callable[..., Objective],
    events_of: Callable[..., Any],
    cutoff: datetime,
) -> Home:
    """Version 1 is live and shows items worst first; 2 shows the same items best first."""
    folder = tmp_path_factory.mktemp("compare")
    home = Home(folder / "home")
    objective = objective_of("recommendation: {event: order, within: 14d, randomise: 0.3}")
    keep_objective(home, objective)
    write_catalogue(home.catalogue(objective.name), Catalogue(ITEMS, {}, *always(len(ITEMS))))
    registry = Registry(home)
    for sign in (-1, 1):
        base = (sign * np.arange(COUNT)).astype(np.float32)
        bundle = _bundle(folder / str(sign), objective, base)
        registry.register(objective.name, bundle, {}, {"ndcg": 0.1}, {})
    registry.promote(objective.name, "1", "test")
    EventLog(home.events).append(events_of(*_lived_through(home, objective.name, cutoff)))
    return home


@pytest.fixture
def compare(home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`compare("2", "--at", ...)`: what the command says, from its JSON."""
    monkeypatch.setenv("TIDEMILL_HOME", str(home.root))

    def run(*arguments: str) -> Any:
        found = CliRunner().invoke(build_app(), ["compare", "orders", *arguments, "--json"])
        return json.loads(found.stdout) if found.exit_code == 0 else found.exception

    return run


def test_a_better_order_is_worth_more(compare: Callable[..., Any]) -> None:
    """The interval of each estimate holds what the version would have brought."""
    found = compare("2")["result"]
    truth = float((INTEREST[::-1] / np.arange(1, COUNT + 1)).sum())
    for name in ("ips", "snips", "doubly_robust"):
        assert found[name]["lower"] < truth < found[name]["upper"], (name, truth, found[name])
    assert found["gain"]["lower"] > 0


def test_what_never_stood_there_cannot_be_valued(
    compare: Callable[..., Any], cutoff: datetime
) -> None:
    """While too few items have changed places, another order is mostly unheard of."""
    early = cutoff - timedelta(days=DAYS - 1.5)
    found = compare("2", "--at", early.isoformat())
    assert "100 are needed" in found["basis"]
    assert "only 25% of what it would show was shown" in found["result"]["reason"]


def test_the_live_version_is_not_compared_with_itself(compare: Callable[..., Any]) -> None:
    """Its value is what it brought."""
    assert "is the live one" in str(compare("1"))


def _bundle(folder: Path, objective: Objective, base: Any) -> Path:
    """A model that ranks by `base`, whoever asks."""
    graph = parser.parse_graph(_GRAPH.replace("ITEMS", str(len(ITEMS))))
    nothing = np.array(-np.inf, np.float32)
    graph.initializer.extend(
        numpy_helper.from_array(value, name)
        for name, value in (("base", base), ("nothing", nothing))
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, _metadata(objective).to_properties())
    folder.mkdir()
    onnx.save(model, folder / "model.onnx")
    return folder


def _metadata(objective: Objective) -> RecommenderMetadata:
    return RecommenderMetadata(
        objective=objective.name,
        objective_hash="0",
        interests=interests_of(objective),
        items=ITEMS,
        contexts=(),
        count=COUNT,
        at_most={},
        randomise=SHARE,
        repeats=True,
        is_factored=False,
        model="popularity",
        horizon_days=14,
        metrics={},
        training_cutoffs=(),
        test_cutoffs=(),
        data_fingerprint="0",
        seed=0,
        packages={},
    )


def _lived_through(home: Home, name: str, cutoff: datetime) -> Iterator[dict[str, Any]]:
    """Lists into the prediction log; the events of users who look at position k with 1 / k."""
    rng = np.random.default_rng(0)
    log = ShownLog(home.predictions(name))
    for user in range(USERS):
        yield {"user": f"u{user}", "item": "i0", "days_ago": 60, "id": f"first-{user}"}
        for day in range(DAYS):
            asked = cutoff - timedelta(days=day + 1)
            listed, probabilities = _arranged(rng)
            log.append(_shown(name, f"u{user}", asked, listed, probabilities))
            for position, item in enumerate(listed, start=1):
                if rng.random() < INTEREST[item] / position:
                    at = asked + timedelta(minutes=position)
                    row = {"user": f"u{user}", "item": f"i{item}", "at": at}
                    yield {**row, "id": f"{user}-{day}-{item}"}
    log.close()


def _arranged(rng: np.random.Generator) -> tuple[list[int], list[float]]:
    listed, others = list(range(COUNT)), COUNT - 1
    if rng.random() >= SHARE:
        return listed, [1 - SHARE, *[1 - SHARE / others] * others]
    place = int(rng.integers(1, COUNT))
    listed[0], listed[place] = listed[place], listed[0]
    probabilities = [1 - SHARE / others] * COUNT
    probabilities[0] = probabilities[place] = SHARE / others
    return listed, probabilities


def _shown(
    name: str, user: str, at: datetime, listed: list[int], probabilities: list[float]
) -> Shown:
    at_us = round(at.timestamp() * 1e6)
    return Shown(
        prediction_id=f"{user}-{at_us}",
        requested_at=at_us,
        objective=name,
        model_version="1",
        users=[user],
        cutoffs=np.array([at_us - 3_600_000_000]),
        checksums=[0],
        cold_start=np.array([False]),
        items=[[f"i{item}" for item in listed]],
        scores=[[-float(item) for item in listed]],
        probabilities=[probabilities],
        k=COUNT,
        filters={},
        exclude=[],
    )
