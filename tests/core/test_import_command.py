"""`tidemill events import` on the command line: formats, mappings, interruptions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest
import typer
from sdk_payloads import SEGMENT_ARCHIVED
from typer.testing import CliRunner, Result

from tidemill.cli import events
from tidemill.errors import EventLogError
from tidemill.home import Home

MAPPING = """
apiVersion: tidemill.dev/v1alpha1
kind: EventMapping
spec: {name: what, timestamp: at, user_id: who}
"""
SLOW_IMPORT = """
import signal
import sys
import time
from tidemill.cli.main import main
from tidemill.importing import importer, notes, portions
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
save = notes.Note.save
notes.Note.save = lambda *all: (save(*all), time.sleep(0.2))
importer._workers, portions.PORTION_ROWS = lambda _: 2, 1_000
sys.argv = ["tidemill", "events", "import", *sys.argv[1:]]
main()
"""


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    events.register(app)
    return CliRunner().invoke(app, ["events", "import", *map(str, arguments)])


def test_what_is_read_is_said_on_stderr(home: Home, tmp_path: Path) -> None:
    """Stdout is the answer only."""
    (tmp_path / "a.json").write_bytes(orjson.dumps(SEGMENT_ARCHIVED))
    result = run(tmp_path / "a.json", "--json")
    assert json.loads(result.stdout)["accepted"] == 1
    assert f"reading an export of Segment, first {tmp_path}/a.json" in result.stderr
    assert home.events.exists()


def test_a_mapping_is_a_file(home: Home, tmp_path: Path) -> None:
    """Its problems are told before a file is opened."""
    (tmp_path / "m.yaml").write_text(MAPPING)
    (tmp_path / "a.csv").write_text("what,at,who\nbuy,2017-03-01,u1\n")
    result = run(tmp_path / "a.csv", "--mapping", tmp_path / "m.yaml", "--json")
    assert json.loads(result.stdout)["accepted"] == 1
    (tmp_path / "m.yaml").write_text(MAPPING.replace("what", "3"))
    failed = run(tmp_path / "missing.csv", "--mapping", tmp_path / "m.yaml")
    assert isinstance(failed.exception, EventLogError)
    assert "m.yaml:4: spec.name: must be text" in failed.exception.message
    assert home.events.exists()


def test_the_wrong_format_is_told_with_the_right_one(home: Home, tmp_path: Path) -> None:
    """As the reason why the file cannot be read."""
    (tmp_path / "a.json").write_bytes(orjson.dumps(SEGMENT_ARCHIVED))
    result = run(tmp_path / "a.json", "--format", "amplitude")
    assert "it is an export of segment, not of amplitude; leave out --format" in result.stderr
    assert isinstance(result.exception, EventLogError)
    assert not (home.events / "dead_letters").exists()


def test_ctrl_c_says_that_the_same_command_goes_on(home: Home, tmp_path: Path) -> None:
    """Exit code 130, as everywhere; and it is true. A terminal sends it to all processes."""
    path = tmp_path / "a.jsonl"
    event = {"name": "buy", "user_id": "u1", "timestamp": "2017-03-01", "more": "x" * 500}
    rows = ({**event, "event_id": f"e{number}"} for number in range(40_000))
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    command = [sys.executable, "-c", SLOW_IMPORT, str(path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, process_group=0)
    notes = home.events / "imports"
    while process.poll() is None and not list(notes.glob("*.json")):
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; the same command goes on where the import stood" in words
    assert "Traceback" not in words
    result = run(path, "--json")
    assert "going on where it was interrupted" in result.stderr
    assert json.loads(result.stdout)["accepted"] == 40_000


@pytest.mark.parametrize("name", ["missing.csv", "*.csv"])
def test_paths_without_files_are_refused(home: Home, tmp_path: Path, name: str) -> None:
    """Before the log is opened."""
    result = run(tmp_path / name)
    assert isinstance(result.exception, EventLogError)
    assert not home.events.exists()


def test_a_name_that_is_no_text_is_refused_before_anything_is_read(
    home: Home, tmp_path: Path
) -> None:
    """The log could not say where its dead letters come from."""
    Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.csv")).write_text("name,timestamp\n")
    result = run(tmp_path)
    assert isinstance(result.exception, EventLogError)
    assert "is not UTF-8" in result.exception.message
