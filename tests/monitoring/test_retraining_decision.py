"""Retraining: only for what newer data can answer, never on broken data, never twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tidemill_monitoring.decision import RetrainingState, decide
from tidemill_monitoring.earlier import EarlierWindow
from tidemill_monitoring.verdicts import Concern, Decision, Status, Verdict, worst

NOW = datetime(2018, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NEVER = RetrainingState()


def act(concern: Concern, **evidence: Any) -> Verdict:
    return Verdict(concern, Status.ACT, f"{concern} is bad. Details follow.", evidence)


def stopped(name: str, renamed_to: str | None, settled: bool = False) -> Verdict:
    successor = None if renamed_to is None else {"name": renamed_to}
    change = {"name": name, "kind": "stopped", "settled": settled, "renamed_to": successor}
    return act(Concern.DATA_QUALITY, changes=[change])


def decision(
    *verdicts: Verdict, state: RetrainingState = NEVER, earlier: tuple[EarlierWindow, ...] = ()
) -> Decision:
    return decide(verdicts, state, NOW, DAY, "redeemed", earlier)


def window(drift: Status) -> EarlierWindow:
    return EarlierWindow(NOW - 7 * DAY, {Concern.DRIFT: drift}, {}, frozenset())


def test_decay_asks_for_a_retraining_with_its_reason() -> None:
    """Outcomes are facts: performance and the base rate are each enough, at once."""
    for concern in (Concern.PERFORMANCE, Concern.BASE_RATE):
        made = decision(act(concern))
        assert made.retrain
        assert made.reason == f"{concern.value}: {concern.value} is bad"


def test_drift_must_be_seen_in_two_of_three_windows() -> None:
    """One odd week is no reason; the second within three is, whatever lies between."""
    calm, odd = window(Status.OK), window(Status.ACT)
    first = decision(act(Concern.DRIFT))
    assert not first.retrain
    assert "2 of 3 windows" in first.reason
    assert decision(act(Concern.DRIFT), earlier=(calm, odd)).retrain
    assert not decision(act(Concern.DRIFT), earlier=(calm, calm, odd)).retrain


def test_values_of_another_unit_block_a_retraining() -> None:
    """A model trained on both units would be worse; a few odd values block nothing."""
    fault = {"name": "price", "kind": "out of range", "is_act": True}
    broken = decision(act(Concern.DATA_QUALITY, value_faults=[fault]), act(Concern.DRIFT))
    assert not broken.retrain
    assert "`price`" in broken.reason
    mild = act(Concern.DATA_QUALITY, value_faults=[{**fault, "is_act": False}])
    assert decision(mild, act(Concern.PERFORMANCE)).retrain


def test_watch_is_not_enough() -> None:
    """Only act calls for anything."""
    assert not decision(Verdict(Concern.DRIFT, Status.WATCH, "hm")).retrain


def test_skew_blocks_a_retraining() -> None:
    """Training on features that serving computes differently helps nobody."""
    made = decision(act(Concern.SKEW), act(Concern.PERFORMANCE))
    assert not made.retrain
    assert "disagree" in made.reason


def test_a_lost_event_blocks_and_a_renamed_one_does_not() -> None:
    """A model can learn a new name; it cannot learn from events that are not there."""
    assert decision(stopped("visit", "Visit")).retrain
    lost = decision(stopped("visit", None), act(Concern.DRIFT))
    assert not lost.retrain
    assert "`visit` stopped" in lost.reason


def test_a_renamed_target_must_be_declared_first() -> None:
    """Labels follow the objective file, so retraining alone would learn that nobody converts."""
    made = decision(stopped("redeemed", "Redeemed"))
    assert not made.retrain
    assert "`Redeemed`" in made.reason


def test_no_second_retraining_within_the_cooldown() -> None:
    """Until the cooldown is over, and exactly then again."""
    bad = act(Concern.PERFORMANCE)
    early = decision(bad, state=RetrainingState(NOW - DAY + timedelta(seconds=1)))
    assert not early.retrain
    assert "cooldown ends 2018-01-01" in early.reason
    assert decision(bad, state=RetrainingState(NOW - DAY)).retrain


def test_no_second_retraining_while_one_runs() -> None:
    """Whatever the verdicts say."""
    made = decision(act(Concern.PERFORMANCE), state=RetrainingState(in_flight=True))
    assert not made.retrain
    assert "already running" in made.reason


def test_the_overall_status_is_undecided_only_when_all_are() -> None:
    """One decided verdict is an answer; the most urgent one wins."""
    unknown = Verdict(Concern.DRIFT, Status.UNDECIDED, "")
    fine = Verdict(Concern.SKEW, Status.OK, "")
    assert worst([unknown, unknown]) is Status.UNDECIDED
    assert worst([unknown, fine]) is Status.OK
    assert worst([fine, act(Concern.BASE_RATE)]) is Status.ACT
