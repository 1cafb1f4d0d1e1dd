"""How a server learns how to search: from the objective that the home keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.home import Home
from tidemill_serving.search import declared_index

OBJECTIVE = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: next-items}
spec:
  recommendation: {event: order, within: 28d}
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.objectives.mkdir()
    return home


def test_the_objective_says(home: Home) -> None:
    """Under `spec.serving.index`."""
    path = home.objectives / "next-items.yaml"
    path.write_text(f"{OBJECTIVE}  serving: {{index: approximate}}\n")
    assert declared_index(home, "next-items") == "approximate"


def test_search_is_exact_unless_declared(home: Home) -> None:
    """Also for a bundle whose objective is not known here."""
    assert declared_index(home, "next-items") == "exact"
    (home.objectives / "next-items.yaml").write_text(OBJECTIVE)
    assert declared_index(home, "next-items") == "exact"


def test_an_objective_that_cannot_be_read_does_not_stop_the_server(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """It searches exactly, and the log says why."""
    (home.objectives / "next-items.yaml").write_text("spec: {serving: {index: approximate}}\n")
    assert declared_index(home, "next-items") == "exact"
    assert "next-items: searched exactly" in caplog.text
