"""A bad objective file is answered with the line, the key and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.errors import ObjectiveError
from tidemill.objective import load_objective
from tidemill.objective.loading import parse_objective

DESIGN_EXAMPLE = """\
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata:
  name: coupon-redemption
spec:
  propensity:
    event: coupon_redeemed
    within: 28d
  population:
    active_within: 90d
  training:
    schedule: "0 3 * * 1"
  serving:
    replicas: {min: 1, max: 10}
  monitoring:
    schedule: "0 * * * *"
    retrain: {cooldown: 24h}
"""


def complaints(text: str) -> list[str]:
    return [f"{problem.line}: {problem}" for problem in parse_objective(text)[1]]


def complaint(old: str, new: str) -> str:
    """The one complaint about the example with `old` replaced."""
    (only,) = complaints(DESIGN_EXAMPLE.replace(old, new))
    return only


def test_a_full_objective_loads(tmp_path: Path) -> None:
    """Every documented key is understood."""
    path = tmp_path / "objective.yaml"
    path.write_text(DESIGN_EXAMPLE)
    objective = load_objective(path)
    assert (objective.name, objective.target.event) == ("coupon-redemption", "coupon_redeemed")


def test_an_error_names_file_line_key_and_value(tmp_path: Path) -> None:
    """Enough to jump to the place and to see what is wrong there."""
    path = tmp_path / "objective.yaml"
    path.write_text(DESIGN_EXAMPLE.replace("within: 28d", "within: 28 days"))
    with pytest.raises(ObjectiveError) as error:
        load_objective(path)
    assert error.value.message.startswith(f"{path}:8: spec.propensity.within: a duration is")
    assert "got '28 days'" in error.value.message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "population:",
            "populations:",
            "9: spec.populations: unknown key; did you mean 'population'?",
        ),
        ("active_within", "active", "10: spec.population.active: unknown key; did you mean"),
        (
            "cooldown: 24h",
            "xyz: 1",
            "17: spec.monitoring.retrain.xyz: unknown key; valid here: cooldown",
        ),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_valid_one(
    old: str, new: str, expected: str
) -> None:
    """Or with all valid keys if none is near."""
    assert complaint(old, new).startswith(expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  name: coupon-redemption", "  {}", "3: metadata.name: missing"),
        ("kind: Objective", "kind: Deployment", "2: kind: must be 'Objective', got 'Deployment'"),
        ("name: coupon-redemption", "name: 5", "4: metadata.name: must be text"),
        ("{min: 1, max: 10}", "{min: 3, max: 2}", "14: spec.serving.replicas: min (3) is greater"),
        ("{min: 1, max: 10}", "{min: yes}", "14: spec.serving.replicas.min: must be a valid int"),
        ("    active_within: 90d", "    - 90d", "10: spec.population: must be a mapping"),
        ('"0 3 * * 1"', "daily", "12: spec.training.schedule: a schedule has five fields"),
        (
            "28d",
            "28d\n    where: {item.size: 5}",
            "9: spec.propensity.where.item.size: must be text",
        ),
        ("28d", "28d\n    where:\n      size: a", "10: spec.propensity.where.size: a condition is"),
        (
            "  training:",
            "  training: {}\n  training:",
            "12: spec.training: given twice, first on line 11",
        ),
    ],
)
def test_a_wrong_value_is_shown_at_its_line(old: str, new: str, expected: str) -> None:
    """Types are strict: `yes` is no number, 5 is no text."""
    assert complaint(old, new).startswith(expected)


def test_all_problems_are_listed_at_once() -> None:
    """In the order of their lines, so one round of fixing is enough."""
    text = DESIGN_EXAMPLE.replace("event:", "evnt:").replace("90d", "x").replace("24h", "-1h")
    assert [line.split(":")[0] for line in complaints(text)] == ["6", "7", "10", "17"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: the file is empty"),
        ("# only a comment\n", "1: the file is empty"),
        ("- a\n- b\n", "1: must be a mapping of keys to values, found a list"),
        ("a: [1", "1: not valid YAML"),
        ("a: 1\nb: 'x", "2: not valid YAML"),
        ("a: 1\n---\nb: 2\n", "2: not valid YAML: expected a single document"),
        ("a: \x00", "1: not valid YAML"),
        ("a: 2017-13-45", "1: '2017-13-45' is not valid"),
        ("a: !!python/object:os.system x", "1: tags are not allowed"),
        ("a: &x [1]\nb: *x", "2: aliases are not allowed; write the value of '*x' out"),
        ("[" * 1000, "1: nested more than 20 levels deep"),
    ],
)
def test_what_is_not_plain_yaml_is_one_problem(text: str, expected: str) -> None:
    """Broken, empty, clever or hostile: said in one line, before anything is built of it."""
    (only,) = complaints(text)
    assert only.startswith(expected)


def test_an_alias_bomb_is_refused_before_it_unfolds() -> None:
    """Nine aliases of nine aliases of nine ... would be gigabytes."""
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 30)]
    (only,) = complaints("\n".join(["l0: &l0 [x]", *levels]))
    assert only.startswith("2: aliases are not allowed")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xff\xfe\x00a", "not UTF-8 text: byte 0"),
        (b"#" * 1_000_001, "larger than 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    """Binary garbage and huge files never reach the parser."""
    path = tmp_path / "objective.yaml"
    path.write_bytes(content)
    with pytest.raises(ObjectiveError, match=expected):
        load_objective(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the reason the system gives."""
    with pytest.raises(ObjectiveError, match=r"none\.yaml:1: cannot be read: No such file"):
        load_objective(tmp_path / "none.yaml")
