"""The whole monitor on a small shop whose incidents are planted."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill.errors import BundleError
from tidemill_monitoring.monitor import run_monitor
from tidemill_monitoring.verdicts import MonitorRun, Status, Verdict


def silent(message: str) -> None:
    """Drops progress messages."""


def verdict_of(run: MonitorRun, concern: str) -> Verdict:
    return next(verdict for verdict in run.verdicts if verdict.concern == concern)


def test_a_calm_shop_raises_no_alarm(open_shop: Callable) -> None:
    """When nothing changed, nothing asks for action and every verdict is decided."""
    run, folder = run_monitor(open_shop().inputs, silent)
    assert {v.status for v in run.verdicts} <= {Status.OK, Status.WATCH}
    assert verdict_of(run, "training/serving skew").status is Status.OK
    assert not run.decision.retrain
    stored = json.loads((folder / "verdict.json").read_text())
    assert stored["status"] == run.status
    assert (folder / "evidently.html").stat().st_size > 100_000


def test_a_renamed_event_is_named_with_its_new_name_and_asks_for_a_retraining(
    open_shop: Callable,
) -> None:
    """The event, its successor and the features that died of it are all in the verdicts."""
    run, _ = run_monitor(open_shop(renamed={"search": "Search"}).inputs, silent)
    quality = verdict_of(run, "data quality")
    assert quality.status is Status.ACT
    assert "`search` stopped on 2024-04-24" in quality.sentence or "2024-04-25" in quality.sentence
    assert quality.evidence["changes"][0]["renamed_to"]["name"] == "Search"
    groups = verdict_of(run, "drift").evidence["events"]
    assert any(g["event"] == "search" and g["renamed_to"] == "Search" for g in groups)
    assert run.decision.retrain


def test_a_feature_computed_differently_in_serving_is_named(open_shop: Callable) -> None:
    """Skew in one feature is found, named, and blocks retraining."""

    def in_hours(vectors: NDArray[np.float32], names: list[str]) -> None:
        vectors[:, names.index("order__days_since_last")] *= 24

    run, _ = run_monitor(open_shop(spoil=in_hours).inputs, silent)
    skew = verdict_of(run, "training/serving skew")
    assert skew.status is Status.ACT
    assert [f["name"] for f in skew.evidence["features"]] == ["order__days_since_last"]
    assert not run.decision.retrain
    assert "serving and training disagree" in run.decision.reason


def test_too_few_users_decide_no_drift(open_shop: Callable) -> None:
    """With 150 users drift, performance and base rate say what is missing."""
    run, _ = run_monitor(open_shop(users=150).inputs, silent)
    for concern in ("drift", "performance", "base rate"):
        assert verdict_of(run, concern).status is Status.UNDECIDED
        assert "200" in verdict_of(run, concern).sentence


def test_without_a_served_model_the_monitor_says_how_to_get_one(open_shop: Callable) -> None:
    """No champion is an error with the command that makes one, not a verdict."""
    shop = open_shop(users=50)
    (shop.home.served("orders") / "current").unlink()
    with pytest.raises(BundleError, match="has no live model") as caught:
        run_monitor(shop.inputs, silent)
    assert "tidemill train" in (caught.value.hint or "")
