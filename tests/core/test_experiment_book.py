"""Experiments as they run: started once, assigned for ever the same, never forgotten."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tidemill.errors import TidemillError
from tidemill.experiments.logged import Exposed, columns_in, exposed, together
from tidemill.experiments.running import Allocation, Experiment, ExperimentBook
from tidemill.home import Home
from tidemill.objective.experimenting import DeclaredExperiment

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
USERS = [f"user-{number}" for number in range(2_000)]
ARMS = [
    {"name": "live", "share": "90%", "serve": "champion"},
    {"name": "next", "share": "10%", "serve": "challenger"},
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def declare(**fields: Any) -> DeclaredExperiment:
    return DeclaredExperiment.model_validate(fields or {"arms": ARMS})


def start(home: Home, challenger: str | None = "2", at: datetime = AT, **fields: Any) -> Experiment:
    return ExperimentBook(home).start("buys", declare(**fields), {"challenger": challenger}, at)


def published(home: Home) -> Experiment | None:
    path = home.running_experiment("buys")
    return Experiment.from_json(json.loads(path.read_text())) if path.exists() else None


def test_what_is_started_runs_and_is_published(home: Home) -> None:
    """The book and the server's file say the same, to the last field."""
    layer = {"name": "pages", "start": "10%", "share": "12.5%"}
    begun = start(home, arms=ARMS, layer=layer)
    assert (begun.name, begun.salt, begun.number) == ("buys-1", "buys-1", 1)
    assert [arm.version for arm in begun.arms] == [None, "2"]
    assert ExperimentBook(home).running("buys") == begun == published(home)


def test_what_a_kill_left_is_finished(home: Home) -> None:
    """Between the new experiment's file and the old one's end, and with a damaged publication."""
    old = start(home)
    new = start(home, arms=ARMS, smallest_effect="3%", at=AT + DAY)
    book = home.experiments("buys")
    (book / "1.json").write_text(json.dumps(old.to_json()))
    home.running_experiment("buys").write_bytes(b"\xff{")
    ExperimentBook(home).heal("buys")
    assert ExperimentBook(home).running("buys") == new == published(home)
    first = ExperimentBook(home).all("buys")[0]
    assert (first.ended_at, first.ended_because) == (AT + DAY, "followed by buys-2")


def test_publishing_the_same_again_moves_nothing(home: Home) -> None:
    """A server that watches the file would load its bundles anew."""
    start(home)
    before = home.running_experiment("buys").stat()
    ExperimentBook(home).heal("buys")
    assert home.running_experiment("buys").stat().st_mtime_ns == before.st_mtime_ns


def test_a_holdout_is_two_arms(home: Home) -> None:
    """The control gets nothing, everybody else whatever is live."""
    arms = start(home, holdout="5%").arms
    assert [(arm.name, str(arm.share), arm.serve, arm.version) for arm in arms] == [
        ("holdout", "0.05", "nothing", None),
        ("treated", "0.95", "champion", None),
    ]


def test_started_twice_it_is_the_same_one(home: Home) -> None:
    """Its salt, its start and so everybody's arm."""
    assert start(home) == start(home, at=AT + DAY)


@pytest.mark.parametrize("change", [{"alpha": 0.1}, {"challenger": "3"}])
def test_another_one_follows(home: Home, change: dict[str, Any]) -> None:
    """A changed declaration or challenger gets a number and a salt of its own."""
    start(home)
    second = start(home, **{"arms": ARMS, "at": AT + DAY, **change})
    first, last = ExperimentBook(home).all("buys")
    assert (first.ended_at, first.ended_because) == (AT + DAY, "followed by buys-2")
    assert last == second == published(home)
    assert second.salt == "buys-2"


def test_what_ends_is_kept_and_no_longer_served(home: Home) -> None:
    """Its number is not given again."""
    start(home)
    ended = ExperimentBook(home).end("buys", "it was enough", AT + DAY)
    assert ended is not None
    assert (ended.ended_at, ended.ended_because) == (AT + DAY, "it was enough")
    assert ExperimentBook(home).running("buys") is published(home) is None
    assert ExperimentBook(home).end("buys", "again", AT + DAY) is None
    assert start(home).number == 2


def test_a_crash_between_the_two_files_is_mended(home: Home) -> None:
    """The book is right; whoever comes next publishes what it says."""
    begun = start(home)
    home.running_experiment("buys").unlink()
    assert start(home) == begun == published(home)


def test_a_layer_s_part_is_everybody_who_takes_part(home: Home) -> None:
    """A tenth of all users, and of those a tenth in the smaller arm."""
    begun = start(home, arms=ARMS, layer={"name": "pages", "share": "10%"})
    arms = [begun.assign(user) for user in USERS]
    taking_part = [arm.name for arm in arms if arm is not None]
    assert 150 < len(taking_part) < 250
    assert 5 < taking_part.count("next") < 40


def test_a_bandit_s_allocation_holds_from_its_day(home: Home) -> None:
    """Until the next; on days before it the declared shares hold."""
    start(home, arms=ARMS, bandit=True)
    shares = (Decimal("0.3"), Decimal("0.7"))
    allocation = Allocation(date(2026, 3, 3), shares)
    changed = ExperimentBook(home).allocate("buys", allocation)
    assert changed is not None
    assert changed == published(home)
    for day, wanted in ((1, "0.9"), (2, "0.9"), (3, "0.3"), (9, "0.3")):
        assert str(changed.arms_on(date(2026, 3, day))[0].share) == wanted
        count = sum(
            arm.name == "live"
            for user in USERS
            if (arm := changed.assign(user, date(2026, 3, day))) is not None
        )
        assert abs(count / len(USERS) - float(wanted)) < 0.05


def test_a_bandit_draws_anew_every_day(home: Home) -> None:
    """With the same shares too: each day is an experiment of its own. Within a day arms stay."""
    bandit, fixed = start(home, arms=ARMS, bandit=True), start(home, arms=ARMS)
    first, second = date(2026, 3, 1), date(2026, 3, 2)

    def arms_of(experiment: Experiment, day: date) -> list[str]:
        return [arm.name for user in USERS if (arm := experiment.assign(user, day)) is not None]

    assert arms_of(bandit, first) == arms_of(bandit, first)
    assert arms_of(fixed, first) == arms_of(fixed, second)
    pairs = zip(arms_of(bandit, first), arms_of(bandit, second), strict=True)
    moved = sum(before != after for before, after in pairs)
    assert abs(moved / len(USERS) - 2 * 0.9 * 0.1) < 0.03


def test_every_part_of_an_experiment_is_json(home: Home) -> None:
    """Without the help of whoever writes it, decimals and dates too."""
    start(home, arms=ARMS, bandit=True, layer={"name": "pages", "share": "10%"})
    shares = (Decimal("0.3"), Decimal("0.7"))
    changed = ExperimentBook(home).allocate("buys", Allocation(date(2026, 3, 3), shares))
    assert changed is not None
    assert Experiment.from_json(json.loads(json.dumps(changed.to_json()))) == changed


@pytest.mark.parametrize("text", ["", '{"number": 1, "obj', "[]", "{}", '{"slot": null}'])
def test_a_damaged_file_is_named(home: Home, text: str) -> None:
    """With what is wrong and where another copy is; nothing is started over it."""
    start(home)
    damaged = home.experiments("buys") / "1.json"
    damaged.write_text(text)
    with pytest.raises(TidemillError, match="1.json is damaged") as refused:
        start(home)
    assert "serving/buys/experiment.json" in str(refused.value.hint)
    assert damaged.read_text() == text


@pytest.mark.parametrize(
    ("name", "begin", "is_shared"),
    [("pages", "10%", True), ("pages", "20%", False), ("mails", "10%", False)],
)
def test_overlapping_parts_of_a_layer_are_found(
    home: Home, name: str, begin: str, is_shared: bool
) -> None:
    """Of one layer only, and parts that touch do not overlap."""
    begun = start(home, arms=ARMS, layer={"name": "pages", "share": "20%"})
    home.served("reads").mkdir(parents=True)
    (home.served("reads") / "current").touch()
    other = declare(holdout="5%", layer={"name": name, "start": begin, "share": "30%"})
    second = ExperimentBook(home).start("reads", other, {}, AT)
    (home.served("buys") / "current").touch()
    assert ExperimentBook(home).sharing_users(second) == ([begun] if is_shared else [])


def test_the_log_has_a_column_for_each_user() -> None:
    """Written and read again; some rows; parts put together."""
    experiment = Experiment.from_json({**_facts(), "number": 1})
    whole = exposed("buys-1", [experiment.arms[0], None, experiment.arms[1]])
    assert (whole.arms, whole.arm_probabilities) == (["live", None, "next"], [0.9, None, 0.1])
    assert Exposed(**columns_in(whole.columns())) == whole
    assert together([whole.rows([0]), whole.rows([1, 2])]) == whole
    assert whole.by_champion(3).tolist() == [True, True, False]


def test_outside_experiments_nothing_is_added() -> None:
    """Nor is anything missed in records from before."""
    assert Exposed().columns() == columns_in({"arm": None}) == {}
    assert Exposed().by_champion(2).tolist() == [True, True]


def _facts() -> dict[str, Any]:
    arms = [
        {"name": "live", "share": "0.9", "serve": "champion", "version": None},
        {"name": "next", "share": "0.1", "serve": "challenger", "version": "2"},
    ]
    begun = {"objective": "buys", "salt": "buys-1", "started_at": "2026-03-01T12:00:00+00:00"}
    rest = {"slot": None, "declared": {}, "ended_at": None, "ended_because": "", "allocations": []}
    return {**begun, **rest, "arms": arms}
