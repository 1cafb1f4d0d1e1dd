"""What people confirm is kept for good, and holds for a while."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from tidemill.cli.main import build_app
from tidemill.errors import TidemillError
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import resolve_objective
from tidemill.score.confirmations import confirm, confirmations, newest_holding

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def test_confirmations_are_only_ever_added(home: Home, know_objective: Callable[..., None]) -> None:
    """The newest counts, the older ones stay."""
    know_objective()
    declared = resolve_objective(home, "buying")
    for note in ("first", "second"):
        confirm(home, declared, "privacy", "Ann", note, NOW)
    found = confirmations(home, "buying")
    assert [each.note for each in found] == ["first", "second"]
    assert newest_holding(found, declared, NOW)["privacy"].note == "second"


def test_a_confirmation_ends_with_its_year_and_with_its_objective(
    home: Home, know_objective: Callable[..., None]
) -> None:
    """It was said of something else, or too long ago."""
    know_objective()
    declared = resolve_objective(home, "buying")
    confirm(home, declared, "privacy", "Ann", "see wiki", NOW)
    found = confirmations(home, "buying")
    assert newest_holding(found, declared, NOW + timedelta(days=365))
    assert not newest_holding(found, declared, NOW + timedelta(days=366))
    know_objective(event="returned")
    assert not newest_holding(found, resolve_objective(home, "buying"), NOW)


@pytest.mark.parametrize(("by", "note"), [("", "done"), ("Ann", " "), ("Ann", "x" * 2001)])
def test_a_confirmation_says_who_and_what(
    by: str, note: str, home: Home, know_objective: Callable[..., None]
) -> None:
    """Or it is none."""
    know_objective()
    with pytest.raises(TidemillError, match="characters"):
        confirm(home, resolve_objective(home, "buying"), "privacy", by, note, NOW)
    assert confirmations(home, "buying") == []


def test_a_line_that_was_cut_off_is_named_and_spoils_no_later_one(
    home: Home, know_objective: Callable[..., None]
) -> None:
    """A power cut may leave half a line."""
    know_objective()
    declared = resolve_objective(home, "buying")
    path = home.confirmations("buying")
    path.parent.mkdir(parents=True)
    path.write_text('{"test": "pri')
    confirm(home, declared, "privacy", "Ann", "see wiki", NOW)
    assert json.loads(path.read_text().splitlines()[1])["by"] == "Ann"
    with pytest.raises(TidemillError, match=r"buying\.jsonl:1 is not a confirmation"):
        confirmations(home, "buying")


def test_the_command_records_and_prints(
    home: Home, know_objective: Callable[..., None], log: EventLog, make_events: Callable
) -> None:
    """Data on stdout; a misspelt test is answered with the nearest."""
    know_objective()
    log.append(make_events("a"))
    app, run = build_app(), CliRunner()
    words = ["score", "buying", "--confirm", "privacy", "--by", "Ann", "--note", "see wiki"]
    result = run.invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["sections"]["data"] == 0.5
    table = run.invoke(app, ["score", "buying"])
    assert "Confirmed by Ann: see wiki" in table.stdout
    assert "buying: 0, the smallest of data 0.5" in table.stdout
    wrong = run.invoke(app, ["score", "buying", "--confirm", "privcy"])
    assert isinstance(wrong.exception, TidemillError)
    assert "privacy" in (wrong.exception.hint or "")
