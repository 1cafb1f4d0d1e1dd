"""What strangers have sent is shown, and does nothing to the terminal."""

from __future__ import annotations

import pytest
from rich.table import Table
from rich.text import Text

from tidemill.cli import console

NAMES = ["\x1b[2Jgone", "\x1b]0;title\x07", "back\x08", "\x9b31mred", "\x7f\x00"]


@pytest.mark.parametrize("name", NAMES)
def test_control_characters_are_shown_and_not_obeyed(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of events come from anybody who has a page's write key."""
    table = Table("event")
    table.add_row(Text(name))
    console.out.print(table)
    console.err.print(name, markup=False)
    shown = "".join(capsys.readouterr())
    assert [letter for letter in shown if not letter.isprintable() and letter != "\n"] == []


def test_other_text_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever its script."""
    console.out.print("naïve 注文 🛒", markup=False)
    assert capsys.readouterr().out == "naïve 注文 🛒\n"
