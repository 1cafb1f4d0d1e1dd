"""`tidemill monitor`: data on stdout, a status in the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import typer
from typer.testing import CliRunner

from tidemill.errors import TidemillError
from tidemill_monitoring.cli import parse_window, register


@pytest.fixture
def app() -> typer.Typer:
    root = typer.Typer()

    @root.callback()
    def several() -> None:
        """More than one command, as in the real CLI."""

    register(root)
    return root


def test_the_exit_code_tells_ok_from_act(
    app: typer.Typer, open_shop: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renamed event is 3; the JSON on stdout is the stored verdict."""
    home = open_shop(renamed={"search": "Search"}, users=300).home
    monkeypatch.setenv("TIDEMILL_HOME", str(home.root))
    result = CliRunner().invoke(app, ["monitor", "orders", "--at", "2024-04-30", "--json"])
    assert result.exit_code == 3
    stored = home.monitoring("orders") / "20240430T000000Z" / "verdict.json"
    assert json.loads(result.stdout) == json.loads(stored.read_text())


def test_too_young_a_home_is_undecided_with_its_own_exit_code(
    app: typer.Typer, open_shop: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On day 20 there are neither earlier windows nor predictions: 4, not 0."""
    monkeypatch.setenv("TIDEMILL_HOME", str(open_shop(users=50).home.root))
    result = CliRunner().invoke(app, ["monitor", "orders", "--at", "2024-01-20"])
    assert result.exit_code == 4
    assert "undecided" in result.stdout


def test_help_lists_the_exit_codes(app: typer.Typer) -> None:
    """A script's author finds them without reading the code."""
    text = CliRunner().invoke(app, ["monitor", "--help"]).stdout
    assert "Exit codes" in text


@pytest.mark.parametrize(("text", "days"), [("7d", 7), ("4w", 28), ("48h", 2)])
def test_a_window_is_whole_days(text: str, days: int) -> None:
    """Any duration that comes out even."""
    assert parse_window(text) == days


@pytest.mark.parametrize("text", ["", "0d", "12h", "36h", "week", "-7d"])
def test_other_windows_are_refused_with_the_right_spelling(text: str) -> None:
    """The message shows what was given, the hint what to give."""
    with pytest.raises(TidemillError, match="is not a window") as caught:
        parse_window(text)
    assert "7d" in (caught.value.hint or "")
