"""A bad tracking plan is answered with the line, the key and the fix; none, with defaults."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tidemill.errors import EventLogError
from tidemill.events.plan import DEFAULT_PLAN, TrackingPlan, keep_plan, load_plan, write_plan
from tidemill.objective.documents import parse_document

PLAN = """\
apiVersion: tidemill.dev/v1alpha1
kind: TrackingPlan
spec:
  events:
    order completed:
      required: [currency]
      fields: [value]
      properties:
        currency: {type: string, pattern: "^[A-Z]{3}$"}
        channel:
          type: string
          values: [web, app]
        lines: {type: integer, minimum: 1, maximum: 500}
  unplanned: reject
  debounce: 500ms
  bots: {eventsPerMinute: 300}
  identity: {devicesPerUser: 9}
"""


def complaint(old: str, new: str) -> str:
    """The one complaint about the plan with `old` replaced."""
    assert old in PLAN
    ((only,),) = [parse_document(PLAN.replace(old, new), TrackingPlan)[1]]
    return f"{only.line}: {only}"


def test_a_full_plan_loads(tmp_path: Path) -> None:
    """Every documented key is understood; a window can be shorter than a second."""
    keep_plan(tmp_path, PLAN.encode())
    spec = load_plan(tmp_path).spec
    assert spec.events["order completed"].properties["channel"].values == ["web", "app"]
    assert (spec.debounce, spec.identity.usersPerDevice) == (timedelta(milliseconds=500), 3)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("required:", "requird:", "6: spec.events.order completed.requird: unknown key; did you"),
        ("minimum:", "min:", "13: spec.events.order completed.properties.lines.min: unknown key;"),
        ("eventsPerMinute", "perMinute", "16: spec.bots.perMinute: unknown key; did you mean 'ev"),
        ("[value]", "[price]", "7: spec.events.order completed.fields.0: must be 'user_id', "),
        ("type: integer", "type: int", "properties.lines.type: must be 'string', 'number'"),
        ("[web, app]", "[web, 3]", "3 in values is not of the type string"),
        ("[web, app]", "[web, no]", "False in values is not of the type string"),
        ("[web, app]", "[[web]]", "must be text, a number, true or false"),
        ("type: integer", "type: string", "minimum and maximum need the type number or integer"),
        ("maximum: 500", "maximum: 0", "minimum (1.0) is greater than maximum (0.0)"),
        ("[A-Z]{3}$", "(?=x)", "is not a regular expression (RE2)"),
        ("unplanned: reject", "unplanned: drop", "14: spec.unplanned: must be 'allow' or 'reject'"),
        ("500ms", "1h", "15: spec.debounce: a window is a whole number and a unit (ms, s, m)"),
        ("500ms", "11m", "15: spec.debounce: a window is at most ten minutes"),
        ("kind: TrackingPlan", "kind: Objective", "2: kind: must be 'TrackingPlan'"),
    ],
)
def test_an_error_names_line_key_and_fix(old: str, new: str, expected: str) -> None:
    """Enough to jump to the place and to know what to write there."""
    assert expected in complaint(old, new)


@pytest.mark.parametrize("off", ["off", '"off"'])
def test_off_needs_no_quotes(off: str, tmp_path: Path) -> None:
    """YAML reads a bare `off` as false; it means the same here."""
    text = PLAN.replace("500ms", off).replace("{eventsPerMinute: 300}", off)
    keep_plan(tmp_path, text.encode())
    plan = load_plan(tmp_path)
    assert (plan.spec.debounce, plan.spec.bots, plan.marks_in_force) == (None, None, ())


def test_a_plan_written_is_the_plan_read(tmp_path: Path) -> None:
    """What is shown can be edited and put back."""
    keep_plan(tmp_path, PLAN.encode())
    plan = load_plan(tmp_path)
    keep_plan(tmp_path, write_plan(plan).encode())
    assert load_plan(tmp_path) == plan


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    """A log needs no plan."""
    assert load_plan(tmp_path / "nowhere") == DEFAULT_PLAN
    assert DEFAULT_PLAN.marks_in_force == ("repeat", "bot")


def test_a_broken_plan_is_an_error_and_not_the_defaults(tmp_path: Path) -> None:
    """Events would be accepted that the plan was made to refuse."""
    (tmp_path / "plan.yaml").write_text("spec: [")
    with pytest.raises(EventLogError, match=r"plan\.yaml:1: not valid YAML"):
        load_plan(tmp_path)


def test_a_folder_in_the_place_of_a_plan_is_an_error(tmp_path: Path) -> None:
    """As a mount of a missing ConfigMap leaves it."""
    (tmp_path / "plan.yaml").mkdir()
    with pytest.raises(EventLogError, match="cannot be read: Is a directory"):
        load_plan(tmp_path)


def test_a_changed_plan_is_read_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    """Every append asks for the plan."""
    keep_plan(tmp_path, PLAN.encode())
    first = load_plan(tmp_path)
    assert load_plan(tmp_path) is first
    keep_plan(tmp_path, PLAN.replace("500ms", "400ms").encode())
    assert load_plan(tmp_path).spec.debounce == timedelta(milliseconds=400)


def test_a_plan_is_as_readable_as_the_log(tmp_path: Path) -> None:
    """A collector of another user reads it, whoever put it in place."""
    keep_plan(tmp_path, PLAN.encode())
    assert (tmp_path / "plan.yaml").stat().st_mode & 0o777 == 0o644
