"""Every recommender and the blend on the sample, and time and memory against size.

Protocol: histories of weeks 1-46 of the sample, outcomes of weeks 47-50, all users with an outcome,
full catalogue, NDCG@20 and Recall@20 with an ideal of min(20, outcomes). Items by product type, and
products, each with at least ten users. The choice among the models never sees the outcomes. A set
is what `build_training_set` leaves in the folder of a run.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from recommendation_logs import at_random

from tidemill.recommendation.histories import RecommendationSet
from tidemill_features.recommendation_set import load_recommendation_set
from tidemill_pipelines.recommending.candidates.roster import ROSTER
from tidemill_pipelines.recommending.competition import fit
from tidemill_pipelines.recommending.panel import Judged, observe, panel_of

COUNT = 20
SIZES = ((10_000, 1_000), (30_000, 10_000), (100_000, 10_000), (100_000, 100_000))
LARGE = (1_000_000, 100_000)
PAIRS_A_USER = 50
"""Items in each history of the made-up logs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path, nargs="*", help="folders of recommendation sets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", action="store_true", help="time and memory against size")
    parser.add_argument("--large", action="store_true", help="with a million users")
    asked = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scipy"))
    print(f"Python {platform.python_version()}, {packages}\n")
    for folder in asked.sets:
        quality(folder.name, load_recommendation_set(folder), range(asked.seeds))
    if asked.scale or asked.large:
        scale([*SIZES, *([LARGE] if asked.large else [])])


def quality(name: str, data: RecommendationSet, seeds: range) -> None:
    """One table a set: every model alone, and what the competition makes of them."""
    print(f"{name}: {len(data.later.histories):,} users, {len(data.items.ids):,} items\n")
    print("| model | seed | NDCG all | NDCG new | Recall all | Recall new | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for seed in seeds:
        for candidate in ROSTER:
            if candidate.refusal(data.later.histories, data.items) is None:
                start = time.process_time()
                module = candidate.fit(data.later.histories, data.items, seed).eval()
                seconds = time.process_time() - start
                row(candidate.name, seed, judged(data, module, seed), seconds)
        start = time.process_time()
        won = fit(data, repeats=True, count=COUNT, seed=seed, say=lambda _: None)
        seconds = time.process_time() - start
        row(f"**{won.model}** (whole step)", seed, judged(data, won.module, seed), seconds)
    print()


def judged(data: RecommendationSet, module: torch.nn.Module, seed: int) -> Judged:
    panel = panel_of(data.later, len(data.items.ids), COUNT, seed)
    found, _ = observe(panel, [module], seed)
    return found[0]


def row(name: str, seed: int, found: Judged, seconds: float) -> None:
    metrics = (found.ndcg, found.ndcg_new, found.recall, found.recall_new)
    shown = " | ".join(f"{np.nanmean(each):.4f}" for each in metrics)
    print(f"| {name} | {seed} | {shown} | {seconds:.1f} |", flush=True)


def scale(sizes: list[tuple[int, int]]) -> None:
    """One training for each size, in this process: the memory is the most until then."""
    print("| users | items | pairs | CPU s | most memory GB | model |")
    print("|---|---|---|---|---|---|")
    for users, items in sizes:
        data = at_random(users, items, PAIRS_A_USER, seed=0)
        start = time.process_time()
        won = fit(data, repeats=True, count=COUNT, seed=0, say=lambda _: None)
        seconds = time.process_time() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        size = f"{users:,} | {items:,} | {len(data.later.histories.items):,}"
        print(f"| {size} | {seconds:.0f} | {memory:.1f} | {won.model} |", flush=True)


if __name__ == "__main__":
    main()
