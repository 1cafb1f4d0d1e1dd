"""`tidemill events` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tidemill.cli import events
from tidemill.errors import EventLogError

LINES = (
    '{"event_id":"e1","name":"buy","user_id":"u1","timestamp":"2017-03-01"}\n'
    '{"event_id":"e2","name":"buy","user_id":"u2","timestamp":"2017-03-09"}\n'
    '{"event_id":"e3","name":"look","anonymous_id":"a1","timestamp":"2017-03-09"}\n'
    "{broken\n"
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    path = tmp_path / "events.jsonl"
    path.write_text(LINES)
    return path


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    events.register(app)
    return CliRunner().invoke(app, ["events", *map(str, arguments)])


def test_importing_twice_counts_duplicates(file: Path) -> None:
    """Accepted, duplicate and rejected add up to what was read, both times."""
    first = json.loads(run("import", file, "--json").stdout)
    again = json.loads(run("import", file, "--json").stdout)
    assert (first["accepted"], first["duplicates"]) == (3, 0)
    assert (again["accepted"], again["duplicates"]) == (0, 3)
    assert first["rejected"] == again["rejected"] == {"malformed JSON": 1}


def test_rejected_rows_do_not_fail_the_import(file: Path) -> None:
    """They are counted in the table and kept."""
    result = run("import", file)
    assert result.exit_code == 0
    assert "rejected: malformed JSON" in result.stdout


def test_an_import_of_nothing_fails(file: Path) -> None:
    """A script must notice that not one event was read."""
    file.write_text("{broken\n")
    result = run("import", file)
    assert isinstance(result.exception, EventLogError)
    assert "not one event" in result.exception.message


def test_an_unreadable_file_is_named_and_the_others_are_imported(file: Path) -> None:
    """On stderr, so that stdout stays clean for scripts."""
    (file.parent / "bad.csv").write_text("")
    result = run("import", file, file.parent / "bad.csv", "--json")
    assert json.loads(result.stdout)["accepted"] == 3
    assert "cannot read" in result.stderr
    assert "bad.csv" in result.stderr


def test_the_summary_counts_by_name(file: Path) -> None:
    """Events, users, first, last and the last week of the log."""
    run("import", file)
    buy, look = json.loads(run("summary", "--json").stdout)
    assert buy == {
        "name": "buy",
        "events": 2,
        "users": 2,
        "first": "2017-03-01T00:00:00+00:00",
        "last": "2017-03-09T00:00:00+00:00",
        "recent": 1,
    }
    assert (look["name"], look["users"]) == ("look", 1)


def test_the_summary_of_an_empty_log_is_empty(file: Path) -> None:
    """Not an error: there is just nothing yet."""
    assert file.exists()
    assert json.loads(run("summary", "--json").stdout) == []


def test_rejected_rows_can_be_looked_at(file: Path) -> None:
    """Where they stand and what they say."""
    run("import", file)
    found = json.loads(run("rejected", "--json").stdout)
    assert found["by_reason"] == {"malformed JSON": 1}
    assert (found["rows"][0]["line"], found["rows"][0]["raw"]) == (4, "{broken")
    assert f"{file}:4: malformed JSON: {{broken" in run("rejected").stdout


def test_the_sample_is_imported_piece_by_piece(file: Path) -> None:
    """With its items; a piece twice adds nothing."""
    assert file.exists()
    piece = ("sample", "--start", "2017-03-01", "--end", "2017-03-02", "--json")
    first, again = (json.loads(run(*piece).stdout) for _ in range(2))
    assert first["accepted"] == again["duplicates"] > 1000
    assert again["accepted"] == 0
