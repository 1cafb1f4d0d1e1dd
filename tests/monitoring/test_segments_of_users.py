"""The slices that got worse than everybody did are named, the worst first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from windows_kit import two_windows

from tidemill.events import EventLog
from tidemill_monitoring.decay.guarded import guarded_slices
from tidemill_monitoring.decay.known import KnownRows
from tidemill_monitoring.decay.segments import Slices, judge_segments
from tidemill_monitoring.served import to_us
from tidemill_monitoring.verdicts import Status, Verdict

START = datetime(2024, 1, 1, tzinfo=UTC)
STAMP = pa.timestamp("us", tz="UTC")


def slices(side: KnownRows, member: NDArray[np.bool_]) -> Slices:
    """The planted one, and twelve that say nothing."""
    thirds = {
        f"f{column} {third}": np.digitize(side.vectors[:, column], [-0.4, 0.4]) == third
        for column in (10, 11, 12, 13)
        for third in range(3)
    }
    return {"country = NL": member, **thirds}


def judge(users: int, seed: int, harder: float = 0.0) -> Verdict:
    then, now, member = two_windows(users, seed, harder=harder)
    return judge_segments(then, now, slices(then, member), slices(now, member))


def test_windows_in_which_nothing_happened_are_calm() -> None:
    """At most one in twenty is worth a look, none calls for action."""
    found = [judge(users, seed).status for users in (1_500, 4_000) for seed in range(30)]
    assert found.count(Status.OK) >= 0.95 * len(found)
    assert Status.ACT not in found


def test_a_slice_whose_scores_became_wrong_is_found_and_named() -> None:
    """Its odds fell to a third: in nine of ten windows of 6,000 users at least."""
    found = [judge(6_000, seed, harder=1.1) for seed in range(10)]
    caught = [verdict for verdict in found if verdict.status in (Status.WATCH, Status.ACT)]
    assert len(caught) >= 9
    assert all("worse than everybody did: `country = NL`" in v.sentence for v in caught)
    assert caught[0].evidence["worst"][0]["ratio_lower"] > 1


def test_a_fault_that_everybody_shares_is_no_slice_of_its_own() -> None:
    """When all scores are too high, performance says so, and segments need not."""
    then, now, member = two_windows(6_000, 3)
    high = replace(now, scores=np.minimum(now.scores * 1.6, 0.99))
    verdict = judge_segments(then, high, slices(then, member), slices(now, member))
    assert verdict.status is Status.OK


def test_a_slice_that_was_as_bad_when_the_model_was_tested_is_no_news() -> None:
    """It is compared with its own showing in the test window."""
    then, now, member = two_windows(6_000, 4)
    wrong = [np.where(member, np.minimum(s.scores * 1.5, 0.99), s.scores) for s in (then, now)]
    sides = [replace(s, scores=w) for s, w in zip((then, now), wrong, strict=True)]
    verdict = judge_segments(*sides, slices(then, member), slices(now, member))
    assert verdict.status is Status.OK


def test_a_new_slice_must_agree_with_everybody() -> None:
    """Nobody of it was in the test window, so there is nothing else to compare it with."""
    then, now, member = two_windows(8_000, 5, harder=1.3)
    verdict = judge_segments(then, now, {}, {"country = XX": member})
    assert verdict.status is not Status.OK
    assert verdict.evidence["worst"][0]["auc_then"] is None


def test_small_slices_are_counted_and_not_judged() -> None:
    """Too few users say nothing; without one large slice nothing is decided."""
    then, now, _ = two_windows(1_000, 6)
    few = {"country = LU": np.arange(1_000) < 50}
    verdict = judge_segments(then, now, few, few)
    assert verdict.status is Status.UNDECIDED
    assert verdict.evidence["too_small"] == 1


def test_scores_of_zero_are_no_trouble() -> None:
    """A model that says never is judged like any other."""
    then, now, member = two_windows(1_000, 7)
    never = replace(now, scores=np.zeros(1_000))
    assert judge_segments(then, never, slices(then, member), slices(now, member)).sentence


def test_a_guarded_property_cuts_users_by_what_they_said_last(tmp_path: Path) -> None:
    """As known at the cutoff: what was said later belongs to no slice of then."""
    said = [("a", 1, "NL"), ("a", 2, "BE"), ("b", 1, "NL"), ("c", 9, "NL")]
    log = EventLog(tmp_path)
    instants = pa.array([START + timedelta(days=day) for _, day, _ in said], STAMP)
    table = pa.table({"timestamp": instants, "received_at": instants})
    columns = {
        "event_id": [str(index) for index in range(len(said))],
        "name": ["visit"] * len(said),
        "user_id": [user for user, _, _ in said],
        "anonymous_id": [None] * len(said),
        "item_id": [None] * len(said),
        "properties": [f'{{"country": "{value}"}}' for _, _, value in said],
    }
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values, pa.string()))
    log.append(table.append_column("value", pa.array([None] * len(said), pa.float64())))
    cutoffs = np.full(3, to_us(START + timedelta(days=5)))
    blank = np.zeros(3)
    rows = KnownRows(np.array(["a", "b", "c"]), cutoffs, blank[:, None], blank, blank > 0)
    with log.connect(threads=1) as con:
        found = guarded_slices(con, ["property.country"], rows)
    assert {name: members.tolist() for name, members in found.items()} == {
        "property.country = BE": [True, False, False],
        "property.country = NL": [False, True, False],
        "users without property.country": [False, False, True],
    }
