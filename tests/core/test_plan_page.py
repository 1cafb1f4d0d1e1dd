"""The page about the tracking plan cannot rot."""

from __future__ import annotations

import re
from pathlib import Path

from tidemill.events.plan import TrackingPlan
from tidemill.events.plan.reference import render_reference
from tidemill.objective.documents import parse_document

PAGE = Path(__file__).parent.parent.parent / "docs" / "tracking-plan.md"


def test_the_page_is_the_schema() -> None:
    """`make docs` was run after the last change."""
    assert PAGE.read_text() == render_reference()


def test_the_plan_on_the_page_is_valid() -> None:
    """What a newcomer copies loads without an error."""
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
    plan, problems = parse_document(block, TrackingPlan)
    assert (problems, plan is None) == ([], False)


def test_defaults_are_spelled_as_in_the_file() -> None:
    """`1s`, and not the seconds of Python."""
    assert "| `spec.debounce` | `1s` |" in PAGE.read_text()
    assert "| `spec.events.<name>.properties.<name>.type` |" in PAGE.read_text()
