"""Items come from the user's own files, and the same file twice changes nothing."""

import json

import pytest
from typer.testing import CliRunner

from tidemill.cli.main import build_app
from tidemill.errors import EventLogError
from tidemill.events import EventLog
from tidemill.events.items import read_items
from tidemill.home import Home

CSV = "item_id,category,brand's\n1,soup,Ä\n2,,B\n"


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text(CSV)
    return path


def attributes(table):
    return {row["item_id"]: json.loads(row["attributes"]) for row in table.to_pylist()}


def test_columns_become_attributes_and_empty_ones_are_left_out(csv):
    """As text, whatever the column is called."""
    expected = {"1": {"category": "soup", "brand's": "Ä"}, "2": {"brand's": "B"}}
    assert attributes(read_items(csv)) == expected


def test_json_lines_give_the_same(tmp_path, csv):
    """The kind of file does not matter; numbers become text."""
    path = tmp_path / "items.jsonl"
    path.write_text('{"item_id": 1, "price": 2.5}\n{"item_id": 2, "price": null}\n')
    assert attributes(read_items(path)) == {"1": {"price": "2.5"}, "2": {}}


def test_a_file_without_ids_is_refused(tmp_path):
    """The message names what is there and what is needed."""
    (tmp_path / "items.csv").write_text("id,name\n1,x\n")
    with pytest.raises(EventLogError, match="no column 'item_id', only id, name"):
        read_items(tmp_path / "items.csv")


def test_a_file_of_mixed_line_ends_is_refused_in_words(tmp_path):
    """The hint names what lines can differ in."""
    (tmp_path / "items.csv").write_bytes(b"item_id,name\r\n1,x\r\n2,y\n")
    with pytest.raises(EventLogError, match="cannot be read") as caught:
        read_items(tmp_path / "items.csv")
    assert "line end" in str(caught.value.hint)


def test_the_command_counts_what_changed(csv, tmp_path, monkeypatch):
    """Two new items, then none."""
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    command = ["items", "import", str(csv), "--json"]
    first, second = (CliRunner().invoke(build_app(), command) for _ in range(2))
    assert json.loads(first.stdout) == {"read": 2, "changed": 2}
    assert json.loads(second.stdout) == {"read": 2, "changed": 0}
    with EventLog(Home(tmp_path / "home").events).connect() as con:
        assert con.execute("SELECT COUNT(*) FROM items").fetchone() == (2,)
