"""Receivers hear of every change once, in the end, and of nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # for the receiver, which is no fixture of others
from hooks import Hook, serving

from tidemill.home import Home
from tidemill.objective.notifying import Receiver
from tidemill_monitoring.notifications.delivery import Patience
from tidemill_monitoring.notifications.notify import notify
from tidemill_monitoring.notifications.spool import Spool
from tidemill_monitoring.verdicts import Concern, Decision, MonitorRun, Status, Verdict

START = datetime(2026, 3, 1, tzinfo=UTC)
JSON = Receiver.model_validate({"url_from": {"env": "PAGER_URL"}})
SLACK = Receiver.model_validate({"format": "slack", "url_from": {"env": "CHAT_URL"}})
QUICK = Patience(total=1.0, request=0.4, pause=0.02)


def run_of(day: int, drift: str, skew: str = "ok", sentence: str = "It moved.") -> MonitorRun:
    verdicts = (
        Verdict(Concern.SKEW, Status(skew), "As it should be."),
        Verdict(Concern.DRIFT, Status(drift), sentence),
    )
    at = (START + timedelta(days=day)).isoformat()
    return MonitorRun("orders", at, 7, "3", verdicts, Decision(False, "nothing calls for it"))


@pytest.fixture
def hook() -> Iterator[Hook]:
    with serving(Hook()) as started:
        yield started


@pytest.fixture
def tell(tmp_path: Path, hook: Hook) -> Callable[..., list[str]]:
    """`tell(run, ...)`: one run of the monitor after the other; what was said on stderr."""
    home = Home(tmp_path / "home")

    def told(*runs: MonitorRun, receivers: tuple[Receiver, ...] = (JSON,), **urls: str) -> Any:
        said: list[str] = []
        environment = {"PAGER_URL": hook.url, "CHAT_URL": hook.url, **urls}
        for run in runs:
            notify(home, run, list(receivers), said.append, environment, QUICK)
        return said

    return told


def waiting(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "home/monitoring/orders/notifications").glob("0*.json"))


def test_only_changes_are_told(tell: Callable[..., Any], hook: Hook) -> None:
    """Seven runs, three changes; an undecided run takes no alarm back."""
    days = ("ok", "watch", "watch", "act", "undecided", "act", "ok")
    tell(*(run_of(day, status) for day, status in enumerate(days)))
    changes = [body["changes"][0] for body in hook.taken]
    assert [(each["before"], each["after"]) for each in changes] == [
        ("ok", "watch"),
        ("watch", "act"),
        ("act", "ok"),
    ]


def test_several_concerns_of_one_run_are_one_notice(tell: Callable[..., Any], hook: Hook) -> None:
    """One incident, one message."""
    tell(run_of(0, "watch", skew="act"))
    (body,) = hook.taken
    assert [each["concern"] for each in body["changes"]] == ["training/serving skew", "drift"]
    assert (body["objective"], body["status"], body["model_version"]) == ("orders", "act", "3")


def test_a_receiver_that_fails_first_is_asked_again(
    tell: Callable[..., Any], hook: Hook, tmp_path: Path
) -> None:
    """With the same id each time, so that it can tell a repetition from news."""
    hook.statuses = [500, 503]
    said = tell(run_of(0, "act"))
    assert (len(hook.bodies), len(hook.taken)) == (3, 1)
    assert {body["id"] for body in hook.bodies} == set(hook.keys)
    assert len(set(hook.keys)) == 1
    assert said == ["told the json receiver of PAGER_URL what changed"]
    assert waiting(tmp_path) == []


def test_an_alarm_waits_on_the_disk_for_a_receiver_that_is_down(
    tell: Callable[..., Any], hook: Hook, tmp_path: Path
) -> None:
    """The next run brings it, although nothing changed in between, and before what is newer."""
    down = tell(run_of(0, "act"), PAGER_URL="http://127.0.0.1:9/secret-path")
    assert down == [f"the {JSON} refused the connection; waiting for the next run: 1"]
    assert len(waiting(tmp_path)) == 1
    tell(run_of(1, "act"), run_of(2, "ok"))
    assert [body["changes"][0]["after"] for body in hook.taken] == ["act", "ok"]
    assert waiting(tmp_path) == []


def test_time_for_a_receiver_that_hangs_is_bounded(
    tell: Callable[..., Any], hook: Hook, tmp_path: Path
) -> None:
    """Another one, which does not, is told all the same."""
    hook.delay = 30
    with serving(Hook()) as other:
        began = datetime.now(UTC)
        tell(run_of(0, "act"), receivers=(JSON, SLACK), CHAT_URL=other.url)
        assert (datetime.now(UTC) - began).total_seconds() < 3
        assert len(other.taken) == 1
    assert len(waiting(tmp_path)) == 1


def test_a_refusal_for_good_is_not_repeated_and_stops_nothing(
    tell: Callable[..., Any], hook: Hook
) -> None:
    """400 now is 400 a second later; what is behind it is tried."""
    hook.statuses = [400]
    assert "answered 400" in tell(run_of(0, "act"))[0]
    hook.statuses = [400]
    tell(run_of(1, "ok"))
    assert [body["changes"][0]["after"] for body in hook.bodies] == ["act", "act", "ok"]


def test_a_redirect_is_not_followed(tell: Callable[..., Any], hook: Hook) -> None:
    """A notice goes where it was meant to."""
    with serving(Hook()) as elsewhere:
        hook.statuses, hook.headers = [302], {"Location": elsewhere.url}
        assert "answered 302" in tell(run_of(0, "act"))[0]
        assert elsewhere.bodies == []


def test_a_receiver_may_ask_for_time(tell: Callable[..., Any], hook: Hook) -> None:
    """More than there is means the next run."""
    hook.statuses, hook.headers = [429], {"Retry-After": "60"}
    assert "answered 429" in tell(run_of(0, "act"))[0]
    assert len(hook.bodies) == 1


def test_history_is_no_news(tell: Callable[..., Any], hook: Hook) -> None:
    """A run of an earlier instant tells nothing and changes nothing."""
    tell(run_of(5, "act"), run_of(1, "ok"), run_of(6, "act"))
    assert len(hook.taken) == 1


def test_two_homes_and_two_alarms_never_share_an_id(
    hook: Hook, tell: Callable[..., Any], tmp_path: Path
) -> None:
    """Or a receiver would take the second for a repetition."""
    tell(run_of(0, "act"), run_of(1, "ok"), run_of(2, "act"))
    notify(Home(tmp_path / "b"), run_of(0, "act"), [JSON], print, {"PAGER_URL": hook.url}, QUICK)
    assert len({body["id"] for body in hook.taken}) == 4


def test_a_crash_before_the_state_was_kept_repeats_the_alarm_with_its_id(
    tell: Callable[..., Any], hook: Hook, tmp_path: Path
) -> None:
    """The notice that was written first is dropped and made again, not sent twice."""
    state = tmp_path / "home/monitoring/orders/notifications/state.json"
    tell(run_of(0, "ok", skew="watch"))
    before = state.read_text()
    tell(run_of(1, "act", skew="watch"), PAGER_URL="http://127.0.0.1:9/")
    (lost,) = waiting(tmp_path)
    identity = json.loads(lost.read_text())["id"]
    state.write_text(before)
    tell(run_of(2, "act", skew="watch"))
    assert [body["id"] for body in hook.taken[1:]] == [identity]


def test_two_monitors_at_once_tell_once(tell: Callable[..., Any], hook: Hook) -> None:
    """The second finds that everything was told."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tell, [run_of(0, "act")] * 4))
    assert len(hook.taken) == 1


def test_what_was_spooled_before_a_crash_is_not_told_when_it_is_over(
    tell: Callable[..., Any], hook: Hook, tmp_path: Path
) -> None:
    """Its end would never be told, because nobody remembers its beginning."""
    state = tmp_path / "home/monitoring/orders/notifications/state.json"
    tell(run_of(0, "ok", skew="watch"))
    before = state.read_text()
    tell(run_of(1, "act", skew="watch"), PAGER_URL="http://127.0.0.1:9/")
    state.write_text(before)
    tell(run_of(2, "ok", skew="watch"))
    assert len(hook.taken) == 1
    assert waiting(tmp_path) == []


def test_a_hundred_notices_are_kept_for_a_receiver(tmp_path: Path) -> None:
    """The newest: an alarm that a hundred others followed tells nobody anything."""
    spool = Spool(tmp_path)
    for number in range(105):
        spool.add({"r": (str(number), {})}, "", {})
    assert [each.id for each in Spool(tmp_path).waiting("r")] == [str(n) for n in range(5, 105)]


def test_what_waits_for_a_receiver_that_is_gone_is_dropped(
    tell: Callable[..., Any], hook: Hook, tmp_path: Path
) -> None:
    """And said, because somebody may have misspelt it."""
    tell(run_of(0, "act"), PAGER_URL="http://127.0.0.1:9/")
    said = tell(run_of(1, "act"), receivers=(SLACK,))
    assert "no longer declared: 1" in said[0]
    assert waiting(tmp_path) == []


def test_a_chat_gets_a_text_in_which_names_wake_nobody(
    tell: Callable[..., Any], hook: Hook
) -> None:
    """Slack's control sequences are escaped."""
    tell(run_of(0, "act", sentence="`<!channel>` & more stopped."), receivers=(SLACK,))
    (body,) = hook.taken
    assert list(body) == ["text"]
    assert "*orders: act*, version 3 as of 2026-03-01T00:00 UTC" in body["text"]
    assert "drift: ok → *act*. `&lt;!channel&gt;` &amp; more stopped." in body["text"]


def test_nobody_declared_means_nothing_kept(tell: Callable[..., Any], tmp_path: Path) -> None:
    """Who is declared later is told of the alarms that stand then."""
    tell(run_of(0, "act"), receivers=())
    assert not (tmp_path / "home").exists()
