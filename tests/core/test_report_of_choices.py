"""What a person finds on the page of a model that chooses items."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import onnx
import pytest

from tidemill.bundle import EVALUATION_FILE, MODEL_FILE
from tidemill.home import Home
from tidemill.objective import Objective, resolve_objective
from tidemill.recommendation.bundle import RecommenderMetadata
from tidemill.recommendation.interests import interests_of
from tidemill.report import wording
from tidemill.report.facts import ChoiceFacts
from tidemill.report.live import LiveModel, read_choice_judgement
from tidemill.report.overview import look
from tidemill.report.page import render_page

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
METRICS = {
    "ndcg": 0.31,
    "recall": 0.4,
    "ndcg_new": 0.12,
    "recall_new": 0.2,
    "coverage": 0.6,
    "popularity_share": 0.3,
    "baseline_ndcg": 0.25,
    "predicted_over_observed": 3.0,
    "users": 900.0,
    "ndcg_of_strangers": 0.05,
}
EVALUATION: dict[str, Any] = {
    "kind": "recommendation",
    "metrics": METRICS,
    "over_baseline": {"difference": 0.06, "lower": 0.04, "upper": 0.08},
    "over_champion": None,
    "candidates": [
        {"name": "popularity", "ndcg": 0.1, "ndcg_new": 0.09, "recall": 0.2}
        | {"cpu_seconds": 0.01, "note": ""},
        {"name": "ease", "ndcg": 0.2, "ndcg_new": 0.11, "recall": 0.3}
        | {"cpu_seconds": 1.5, "note": ""},
        {"name": "blend", "ndcg": 0.3, "ndcg_new": 0.12, "recall": 0.4}
        | {"cpu_seconds": 3.0, "note": ""},
        {"name": "gru", "ndcg": None, "ndcg_new": None, "recall": None}
        | {"cpu_seconds": 0.5, "note": "stopped early"},
    ],
    "baseline": "what is popular",
    "slices": {
        "users": [{"slice": "1 to 4 items", "users": 12, "ndcg": 0.08, "baseline_ndcg": 0.05}],
        "items": [
            {"slice": "items nobody knew", "items": 3, "outcomes": 7}
            | {"found": 0.25, "shown": 0.01}
        ],
    },
    "neighbours": [{"item": "tea", "nearest": [{"item": "honey", "similarity": 0.9}]}],
    "map": {
        "attribute": "kind",
        "points": [
            {"item": "tea", "x": 0.1, "y": 0.2, "value": "drink"},
            {"item": "<b>honey</b>", "x": 0.4, "y": -0.2, "value": None},
        ],
    },
}


def metadata(objective: Objective) -> RecommenderMetadata:
    fields: dict[str, Any] = {
        "objective": objective.name,
        "objective_hash": objective.hash,
        "interests": interests_of(objective),
        "items": ("tea", "<b>honey</b>"),
        "contexts": (),
        "count": 20,
        "at_most": {},
        "randomise": 0,
        "repeats": True,
        "is_factored": False,
        "model": "blend",
        "horizon_days": 28,
        "metrics": METRICS,
        "training_cutoffs": ("2026-01-29T00:00:00+00:00",),
        "test_cutoffs": ("2026-02-26T00:00:00+00:00",),
        "data_fingerprint": "f" * 16,
        "seed": 0,
        "packages": {"torch": "2.13.0"},
    }
    return RecommenderMetadata(**fields)


@pytest.fixture
def chosen(home: Home, make_bundle: Callable[..., Path]) -> Home:
    """A home where a recommender is live."""
    home.objectives.mkdir(parents=True)
    document = {
        "apiVersion": "tidemill.dev/v1alpha1",
        "kind": "Objective",
        "metadata": {"name": "next"},
        "spec": {"recommendation": {"event": "bought", "within": "28d"}},
    }
    (home.objectives / "next.yaml").write_text(json.dumps(document))
    folder = make_bundle(home.served("next") / "1")
    (home.served("next") / "current").symlink_to("1")
    model = onnx.load(folder / MODEL_FILE)
    described = metadata(resolve_objective(home, "next")).to_properties()
    onnx.helper.set_model_props(model, described)
    onnx.save(model, folder / MODEL_FILE)
    (folder / EVALUATION_FILE).write_text(json.dumps(EVALUATION))
    return home


@pytest.fixture
def page(chosen: Home) -> str:
    return page_of(chosen)


def page_of(chosen: Home) -> str:
    objective = resolve_objective(chosen, "next")
    live = LiveModel("1", metadata(objective))
    judged = read_choice_judgement(chosen, "next")
    return render_page(ChoiceFacts(chosen, objective, live, judged, (), ()), NOW)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S))


def test_the_question_is_about_items(page: str) -> None:
    """And the numbers stand beside the simple rule's."""
    text = words(page)
    assert "Which items will a user's next bought be about" in text.replace("&#39;", "'")
    assert "what is popular 0.250; difference +0.060" in text


def test_promised_and_taken_up_stand_side_by_side(page: str) -> None:
    """Scores are probabilities, so a reader sees when they are not."""
    assert f"add up to {wording.lift(3.0)} the items taken up" in words(page)


def test_a_number_that_no_data_gave_is_a_dash(chosen: Home) -> None:
    """Where nobody comes to anything new, there is no quality of new items."""
    known = {name: value for name, value in METRICS.items() if not name.endswith("_new")}
    evaluation = json.dumps(EVALUATION | {"metrics": known})
    (chosen.served("next") / "1" / EVALUATION_FILE).write_text(evaluation)
    assert f"Among new items {wording.NOTHING}" in words(page_of(chosen))


def test_the_competition_is_shown_best_first(page: str) -> None:
    """With costs, the winner marked, and why a candidate has no number."""
    text = words(page)
    order = [text.index(f" {name} ") for name in ("blend live", "ease", "popularity", "gru")]
    text = text.replace("blend live", "blend  live")
    assert order == sorted(order)
    assert "stopped early" in text


def test_names_of_items_stay_text(page: str) -> None:
    """An item may be called anything, on the map too."""
    assert "<b>honey" not in page
    assert "&lt;b&gt;honey" in page


def test_slices_and_neighbours_are_there(page: str) -> None:
    """For whom it works, and what goes with what."""
    text = words(page)
    assert "1 to 4 items 12 0.080 0.050" in text
    assert "items nobody knew 3 7 25% 1.0%" in text
    assert re.search(r"tea\s+honey", text)


def test_the_status_says_ndcg(chosen: Home) -> None:
    """In place of an AUC."""
    (found,) = look(chosen).objectives
    assert found.live is not None
    assert (found.type, found.live.auc, found.live.ndcg) == ("recommendation", None, 0.31)
