"""Homes with a recommender to serve: clustered item vectors, histories, catalogue and bundle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper

from tidemill.bundle import MODEL_FILE
from tidemill.home import Home
from tidemill.online import open_online_writer
from tidemill.recommendation.bundle import RecommenderMetadata
from tidemill.recommendation.catalogue import Attribute, Catalogue, always, write_catalogue
from tidemill.recommendation.history import LAYOUT, History, pack_history
from tidemill.recommendation.interests import ACTIVITY, FACTS, InterestDefinition, InterestEvent
from tidemill_pipelines.recommending.graph import export_recommender

NAME = "benchmark"
WIDTH = 64
COUNT = 20
USERS = 2_000
LONGEST = 50
SEED = 7
DEFINITION = InterestDefinition(
    events=(InterestEvent(event="order"),), horizon_us=28 * 86_400_000_000
)
_GROUPS = 64
_OBJECTIVE = f"""
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {{name: {NAME}}}
spec:
  recommendation: {{event: order, within: 28d}}
  serving: {{index: approximate}}
"""


class Recommender(torch.nn.Module):
    """A factored model of the usual size: a weighted mean of the history is the query, a small
    network says what is bought again."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        super().__init__()
        torch.manual_seed(SEED)
        self.register_buffer("item_vectors", torch.from_numpy(vectors))
        self.again = torch.nn.Sequential(
            torch.nn.Linear(len(FACTS) + len(ACTIVITY), 32),
            torch.nn.ReLU(),
            torch.nn.Linear(32, 32),
            torch.nn.ReLU(),
            torch.nn.Linear(32, 1),
        )

    def query(self, history: Any, facts: Any, activity: Any, context: Any) -> Any:  # noqa: ARG002  # as called
        weight = (history >= 0).float() * torch.log1p(facts[..., 2])
        found = self.item_vectors[history.clamp(min=0)] * weight.unsqueeze(-1)
        return 4 * found.sum(1) / (1 + weight.sum(1, keepdim=True))

    def repeat(self, history: Any, facts: Any, activity: Any) -> Any:  # noqa: ARG002  # the same
        users = torch.log1p(activity).unsqueeze(1).expand(-1, facts.shape[1], -1)
        return self.again(torch.cat([torch.log1p(facts), users], -1)).squeeze(-1) - 1


@dataclass(frozen=True)
class Scene:
    """Items of larger and smaller kinds, and people who like some of the kinds.

    Spread and norms are such that as much of an index has to be read for a given recall as with
    implicit matrix factorisation (64 factors) on the sample's products; `is_clustered` off makes
    independent normal vectors instead, for which no index helps.
    """

    items: int
    is_clustered: bool = True

    @property
    def kind_count(self) -> int:
        return min(4_000, self.items // 100)

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        """[items], the kind of each."""
        rng = np.random.default_rng(SEED)
        size = rng.pareto(1.1, self.kind_count) + 0.2
        return rng.choice(self.kind_count, self.items, p=size / size.sum())

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """[items, WIDTH]."""
        rng = np.random.default_rng(SEED + 1)
        if not self.is_clustered:
            return rng.standard_normal((self.items, WIDTH), dtype=np.float32) / 8
        groups = rng.normal(size=(_GROUPS, WIDTH))
        kinds = 0.7 * groups[rng.integers(_GROUPS, size=self.kind_count)]
        kinds += 0.7 * rng.normal(size=kinds.shape)
        scale = (1 + np.arange(WIDTH)) ** -0.2
        scale /= np.sqrt(WIDTH * (scale**2).mean())
        found = rng.standard_normal((self.items, WIDTH), dtype=np.float32)
        found *= 1.3
        found += kinds[self.kinds].astype(np.float32)
        found *= scale.astype(np.float32)
        found *= rng.lognormal(0, 0.3, size=(self.items, 1)).astype(np.float32)
        return found

    def histories(self, count: int = USERS) -> list[NDArray[np.int64]]:
        """Up to LONGEST distinct items for each user, of two to six kinds."""
        rng = np.random.default_rng(SEED + 2)
        order = np.argsort(self.kinds, kind="stable")
        starts = np.searchsorted(self.kinds[order], np.arange(self.kind_count + 1))
        found = []
        for _ in range(count):
            liked = self.kinds[rng.integers(self.items, size=rng.integers(2, 7))]
            rows = [
                rng.integers(starts[kind], starts[kind + 1], 2 * LONGEST // len(liked))
                for kind in liked
            ]
            items = np.unique(order[np.concatenate(rows)])
            found.append(rng.permutation(items)[:LONGEST])
        return found


def facts_of(items: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """[items, FACTS] of some years of buying."""
    facts = rng.gamma(1.5, 2.0, size=(items, len(FACTS)))
    facts[:, FACTS.index("days_since_last") :] *= 30
    return facts.astype(np.float32)


def make_home(home: Home, scene: Scene) -> Home:
    """Everything that `tidemill serve` needs."""
    names = tuple(f"item-{number}" for number in range(scene.items))
    _write_bundle(home, scene, names)
    _write_histories(home, scene, names)
    brands = tuple(f"brand-{number}" for number in range(100))
    brand = Attribute(brands, (np.arange(scene.items) % len(brands)).astype(np.int32))
    write_catalogue(home.catalogue(NAME), Catalogue(names, {"brand": brand}, *always(scene.items)))
    return home


def declare_index(home: Home) -> None:
    """From the next start on the server searches approximately."""
    home.objectives.mkdir(parents=True)
    (home.objectives / f"{NAME}.yaml").write_text(_OBJECTIVE)


def _write_bundle(home: Home, scene: Scene, names: tuple[str, ...]) -> None:
    folder = home.served(NAME) / "1"
    folder.mkdir(parents=True)
    path = folder / MODEL_FILE
    export_recommender(
        Recommender(scene.vectors),
        items=scene.items,
        values=None,
        repeats=True,
        is_factored=True,
        path=path,
    )
    model = onnx.load(path)
    helper.set_model_props(model, _metadata(names).to_properties())
    onnx.save(model, path)
    (folder.parent / "current").symlink_to("1")


def _write_histories(home: Home, scene: Scene, names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(SEED + 3)
    activity = np.ones(len(ACTIVITY), dtype=np.float32)
    rows = (
        (
            f"u{number}",
            1_700_000_000_000_000,
            pack_history(
                History(
                    items=tuple(names[item] for item in items.tolist()),
                    facts=facts_of(len(items), rng),
                    activity=activity,
                )
            ),
        )
        for number, items in enumerate(scene.histories())
    )
    writer = open_online_writer(home)
    writer.write(DEFINITION.view, LAYOUT, rows)
    writer.close()


def _metadata(names: tuple[str, ...]) -> RecommenderMetadata:
    return RecommenderMetadata(
        objective=NAME,
        objective_hash="0" * 12,
        interests=DEFINITION,
        items=names,
        contexts=(),
        count=COUNT,
        at_most={},
        randomise=0.0,
        repeats=True,
        is_factored=True,
        model="als",
        horizon_days=28,
        metrics={},
        training_cutoffs=(),
        test_cutoffs=(),
        data_fingerprint="0" * 12,
        seed=SEED,
        packages={},
    )
