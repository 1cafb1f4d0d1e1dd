"""No command shows a traceback, whatever state the home is in."""

import os
import subprocess
import sys

import pytest


def run(home, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "tidemill.cli", *arguments],
        env={**os.environ, "TIDEMILL_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def damaged(tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "catalog.json").write_text("{broken")
    return tmp_path


def test_a_damaged_home_is_a_message(damaged):
    """What happened and where to look, in two lines."""
    result = run(damaged, "features", "list")
    assert result.returncode == 1
    assert "JSONDecodeError" in result.stderr
    assert str(damaged) in result.stderr.replace("\n", "")
    assert "Traceback" not in result.stderr


def test_the_traceback_is_there_for_who_wants_it(damaged):
    """For a report of the fault."""
    result = run(damaged, "features", "list", TIDEMILL_TRACEBACK="1")
    assert "Traceback" in result.stderr


def test_a_version_that_is_not_registered_changes_nothing(tmp_path):
    """And the message says what is there."""
    result = run(tmp_path, "promote", "nothing", "9", "--reason", "typo")
    assert result.returncode == 1
    assert "version 9 of 'nothing' is not registered; registered: none" in result.stderr
