"""One concern that cannot be judged says so, and costs the others nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tidemill.errors import TidemillError
from tidemill_monitoring import decision
from tidemill_monitoring.isolation import fail_if_all_failed, judged
from tidemill_monitoring.monitor import run_monitor
from tidemill_monitoring.verdicts import Concern, MonitorRun, Status, Verdict


def statuses(run: MonitorRun) -> dict[str, Status]:
    return {str(verdict.concern): verdict.status for verdict in run.verdicts}


def sentence(run: MonitorRun, concern: str) -> str:
    return next(verdict.sentence for verdict in run.verdicts if verdict.concern == concern)


def raise_(error: Exception) -> Verdict:
    raise error


def test_a_check_that_fails_leaves_its_concern_undecided_with_the_reason() -> None:
    """In words for errors of ours, with the class and the place for others."""
    said: list[str] = []
    ours = judged(
        Concern.DRIFT, lambda: raise_(TidemillError("no rows", hint="serve")), said.append
    )
    assert (ours.status, ours.sentence) == (
        Status.UNDECIDED,
        "Could not be judged: no rows; serve.",
    )
    other = judged(Concern.DRIFT, lambda: raise_(ValueError("[7] of 3")), said.append)
    assert "ValueError: [7] of 3" in other.sentence
    assert "raise_, line" in other.evidence["raised_in"]
    assert said[1].startswith("drift could not be judged: ValueError")


def test_only_if_every_check_failed_there_is_no_verdict() -> None:
    """That is a failure of the monitor, and exits with 1; too little data is not."""
    failed = judged(Concern.DRIFT, lambda: raise_(ValueError("x")), lambda line: None)
    fail_if_all_failed([failed, Verdict(Concern.SKEW, Status.UNDECIDED, "too few")], "orders")
    with pytest.raises(TidemillError, match="none of 1 concerns of 'orders'"):
        fail_if_all_failed([failed], "orders")


def test_without_the_test_rows_events_skew_and_the_store_are_still_judged(
    open_shop: Callable,
) -> None:
    """What compares with them says which file is missing."""
    shop = open_shop(users=300)
    (shop.home.served("orders") / "1" / "reference.parquet").unlink()
    run, folder = run_monitor(shop.inputs, lambda line: None)
    found = statuses(run)
    for concern in ("data quality", "training/serving skew", "online store"):
        assert found[concern] is Status.OK
    assert "Features were not looked at" in sentence(run, "data quality")
    for concern in ("drift", "performance", "feature decay", "segments", "estimated performance"):
        assert found[concern] is Status.UNDECIDED
        assert "reference.parquet" in sentence(run, concern)
    assert (folder / "verdict.json").exists()


def test_answers_of_a_version_that_is_gone_are_said_to_be_lost(open_shop: Callable) -> None:
    """They cannot be judged, and the events are."""
    shop = open_shop(users=300)
    served = shop.home.served("orders")
    (served / "1").rename(served / "2")
    (served / "current").unlink()
    (served / "current").symlink_to("2")
    run, _ = run_monitor(shop.inputs, lambda line: None)
    assert statuses(run)["data quality"] is Status.OK
    for concern in ("performance", "base rate", "feature decay", "segments"):
        assert "whose bundle is gone (`1`)" in sentence(run, concern)


def test_a_damaged_prediction_log_is_read_as_far_as_it_goes(open_shop: Callable) -> None:
    """A flipped byte ends its segment; what other segments hold is judged, and the loss is told."""
    shop = open_shop(users=300)
    segments = sorted(shop.home.predictions("orders").glob("*"))
    broken = bytearray(segments[-1].read_bytes())
    broken[len(broken) // 2] ^= 255
    segments[-1].write_bytes(bytes(broken))
    run, _ = run_monitor(shop.inputs, lambda line: None)
    assert statuses(run)["performance"] is not Status.UNDECIDED
    assert "1 segments of the prediction log" in sentence(run, "online store")


def test_a_segment_that_cannot_be_opened_is_told(open_shop: Callable) -> None:
    """As a damaged one: here it is a folder."""
    shop = open_shop(users=300)
    (shop.home.predictions("orders") / "00000-folder.tmp1").mkdir()
    run, _ = run_monitor(shop.inputs, lambda line: None)
    assert statuses(run)["performance"] is not Status.UNDECIDED
    assert "1 segments of the prediction log" in sentence(run, "online store")


def test_a_workspace_that_cannot_be_written_costs_no_verdict(open_shop: Callable) -> None:
    """It is a note; the page of this run is there."""
    shop, said = open_shop(users=300), list[str]()
    shop.home.evidently.write_text("a file where the workspace should be")
    run, folder = run_monitor(shop.inputs, said.append)
    assert statuses(run)["drift"] is not Status.UNDECIDED
    assert (folder / "evidently.html").exists()
    assert any("not in Evidently's workspace" in line for line in said)


def test_a_stale_store_is_no_reason_to_retrain(open_shop: Callable) -> None:
    """A new model would read the same rows."""
    acts = [
        Verdict(Concern.ONLINE_STORE, Status.ACT, "stale"),
        Verdict(Concern.PERFORMANCE, Status.ACT, "worse"),
    ]
    inputs = open_shop(users=50).inputs
    found = decision.decide(acts, decision.RetrainingState(), inputs.at, inputs.window, None)
    assert not found.retrain
    assert "materialize" in found.reason
