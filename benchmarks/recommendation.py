"""`make bench-recommendation`: every recommender alone and what ships, on the sample.

Protocol: histories of weeks 1-46 of the sample, outcomes of weeks 47-50, all users with an outcome,
the full catalogue, NDCG@20 and Recall@20 with an ideal of min(20, outcomes); "new" is over items
that were not in the user's history. Types are groups of products; types and products have at least
ten users each. The choice among the models, and every setting, was made without these outcomes.
`whole step` is a training as it ships: all models learn, compete and are blended, the winner learns
again; its CPU seconds are those of all of it. Penalties of one kind share their most costly part,
so that only the first of them shows it.

What lost: over all items every model alone is far behind how often a user came back to each; over
new ones the factorisations lead, alone and blended. Networks, neighbours and the Markov chain are
behind and left out here, though on made-up chains, where only the order tells, a model of it wins.
"""

from __future__ import annotations

import argparse
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from recommendation_logs import at_random

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import Objective, load_objective
from tidemill.recommendation.histories import RecommendationSet
from tidemill.recommendation.interests import interests_of
from tidemill.sample.retail import sample_events, sample_items
from tidemill_features.recommendation_set import build_recommendation_set, load_recommendation_set
from tidemill_pipelines.recommending.candidates.candidate import Scores
from tidemill_pipelines.recommending.candidates.roster import ROSTER
from tidemill_pipelines.recommending.competition import CandidateResult, fit
from tidemill_pipelines.recommending.panel import Judged, judge, observe, panel_of

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "benchmarks" / "recommendation.md"
COUNT = 20
LATER = datetime(2017, 11, 19, tzinfo=UTC)
HORIZON = timedelta(days=28)
OBJECTIVES = {"types": "product-type-recommendation", "products": "product-recommendation"}
FEWEST_USERS = 10
SIZES = ((10_000, 1_000), (30_000, 10_000), (100_000, 10_000), (100_000, 100_000))
LARGE = (1_000_000, 100_000)
PAIRS_A_USER = 50
"""Items in each history of the made-up logs."""

Say = Callable[[str], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path, nargs="*", help="sets; of the sample if none")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="with a million users at the end")
    asked = parser.parse_args()
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    head(say)
    with tempfile.TemporaryDirectory() as folder:
        for path in asked.sets or sets_of_the_sample(Path(folder)):
            quality(path.name, load_recommendation_set(path), range(asked.seeds), say)
    if not asked.sets:
        scale([*SIZES, *([LARGE] if asked.large else [])], say)
        OUT.write_text("\n".join(lines) + "\n")


def head(say: Say) -> None:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scipy"))
    say("# Recommendations\n")
    say(__doc__ or "")
    threads = torch.get_num_threads()
    say(f"Python {platform.python_version()}, {packages}, {threads} threads.\n")


def sets_of_the_sample(folder: Path) -> list[Path]:
    """One for each objective, built as a training builds them."""
    home = Home(folder / "home")
    log = EventLog(home.events)
    log.append(sample_events(None, None))
    log.put_items(sample_items())
    for name, example in OBJECTIVES.items():
        objective = with_few_users(load_objective(ROOT / "examples" / f"{example}.yaml"))
        earlier, definition = LATER - HORIZON, interests_of(objective)
        (folder / name).mkdir()
        build_recommendation_set(home, objective, definition, earlier, LATER, folder / name)
    return [folder / name for name in OBJECTIVES]


def with_few_users(objective: Objective) -> Objective:
    """The same without items that hardly anybody knows."""
    declared = objective.model_dump(mode="json", by_alias=True, exclude_none=True)
    declared["spec"]["recommendation"]["items"]["minimum_users"] = FEWEST_USERS
    return Objective.model_validate(declared)


def quality(name: str, data: RecommendationSet, seeds: range, say: Say) -> None:
    """One table a set: every model alone, and what the competition makes of them."""
    say(f"## {name}: {len(data.later.histories):,} users, {len(data.items.ids):,} items\n")
    say("| model | seed | NDCG all | NDCG new | Recall all | Recall new | CPU s |")
    say("|---|--:|--:|--:|--:|--:|--:|")
    for candidate in ROSTER:
        refusal = candidate.refusal(data.later.histories, data.items)
        if refusal is not None:
            say(f"| {candidate.name}: {refusal} | | | | | | |")
            continue
        start = time.process_time()
        module = candidate.fit(data.later.histories, data.items, seeds[0]).eval()
        seconds = time.process_time() - start
        say(row(candidate.name, seeds[0], judged(data, module, seeds[0]), seconds))
    contest: list[CandidateResult] = []
    for seed in seeds:
        start = time.process_time()
        won = fit(data, repeats=True, count=COUNT, seed=seed, say=lambda _: None)
        seconds = time.process_time() - start
        found = judged(data, won.module, seed)
        say(row(f"**{won.model}** (whole step)", seed, found, seconds))
        contest = contest or won.candidates
    say(f"\nThe contest of seed {seeds[0]}, on the window before:\n")
    say("| model | NDCG all | NDCG new |\n|---|--:|--:|")
    for each in contest:
        if not np.isnan(each.ndcg):
            say(f"| {each.name} | {each.ndcg:.4f} | {each.ndcg_new:.4f} |")
    say("")


def judged(data: RecommendationSet, module: Scores, seed: int) -> Judged:
    panel = panel_of(data.later, len(data.items.ids), COUNT, seed)
    cells = observe(panel, [module], seed)
    return judge(panel, cells, cells.scores[:, 0])


def row(name: str, seed: int, found: Judged, seconds: float) -> str:
    metrics = (found.ndcg, found.ndcg_new, found.recall, found.recall_new)
    shown = " | ".join(f"{np.nanmean(each):.4f}" for each in metrics)
    return f"| {name} | {seed} | {shown} | {seconds:.1f} |"


def scale(sizes: list[tuple[int, int]], say: Say) -> None:
    """One training for each, in this process: the memory is the most until then."""
    say("## Time against size\n")
    say(f"Made-up tastes, {PAIRS_A_USER} items in each history; the whole step.\n")
    say("| users | items | pairs | CPU s | most memory GB | model |")
    say("|--:|--:|--:|--:|--:|---|")
    for users, items in sizes:
        data, start = at_random(users, items, PAIRS_A_USER, seed=0), time.process_time()
        won = fit(data, repeats=True, count=COUNT, seed=0, say=lambda _: None)
        seconds = time.process_time() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        size = f"{users:,} | {items:,} | {len(data.later.histories.items):,}"
        say(f"| {size} | {seconds:.0f} | {memory:.1f} | {won.model} |")


if __name__ == "__main__":
    main()
