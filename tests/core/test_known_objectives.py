"""A home remembers the objectives it was given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.errors import ObjectiveError
from tidemill.home import Home
from tidemill.objective import (
    keep_objective,
    known_objectives,
    load_objective,
    remember_objective,
    resolve_objective,
)

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_a_valid_objective_named_like_its_file(path: Path, tmp_path: Path) -> None:
    """So `tidemill train examples/X.yaml` makes an objective called X."""
    assert resolve_objective(Home(tmp_path), path).name == path.stem


def test_a_remembered_objective_is_found_by_name(tmp_path: Path) -> None:
    """The home keeps a copy; the file may go."""
    home = Home(tmp_path / "home")
    file = tmp_path / "any.yaml"
    file.write_bytes((EXAMPLES / "churn.yaml").read_bytes())
    remembered = remember_objective(home, file)
    file.unlink()
    assert resolve_objective(home, "churn") == remembered
    assert known_objectives(home) == ["churn"]


def test_remembering_again_replaces(tmp_path: Path) -> None:
    """The newest file of a name counts, and no scratch file is left."""
    home = Home(tmp_path / "home")
    file = tmp_path / "churn.yaml"
    file.write_bytes((EXAMPLES / "churn.yaml").read_bytes())
    old = remember_objective(home, file)
    file.write_text(file.read_text().replace("56d", "60d"))
    assert remember_objective(home, file) != old
    assert [path.name for path in home.objectives.iterdir()] == ["churn.yaml"]


def test_an_invalid_file_is_not_remembered(tmp_path: Path) -> None:
    """What is known is valid."""
    home = Home(tmp_path / "home")
    file = tmp_path / "bad.yaml"
    file.write_text("kind: Objective")
    with pytest.raises(ObjectiveError):
        remember_objective(home, file)
    assert known_objectives(home) == []


def test_an_unknown_name_is_answered_with_the_nearest_known_one(tmp_path: Path) -> None:
    """Typing errors are common."""
    home = Home(tmp_path)
    remember_objective(home, EXAMPLES / "coupon-redemption.yaml")
    with pytest.raises(ObjectiveError) as error:
        resolve_objective(home, "cupon-redemption")
    assert error.value.hint == "did you mean 'coupon-redemption'?"


def test_a_home_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """With the place and the reason."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ObjectiveError, match=r"cannot be kept at .*Not a directory"):
        remember_objective(Home(tmp_path / "file"), EXAMPLES / "churn.yaml")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_objective_without_a_file_becomes_one(path: Path, tmp_path: Path) -> None:
    """On a cluster it comes as a resource; the same objective is read back."""
    home = Home(tmp_path)
    keep_objective(home, load_objective(path))
    assert resolve_objective(home, path.stem) == load_objective(path)


def test_a_file_that_says_the_same_keeps_its_authors_words(tmp_path: Path) -> None:
    """Comments are worth something; a changed objective replaces them."""
    home = Home(tmp_path / "home")
    objective = remember_objective(home, EXAMPLES / "churn.yaml")
    kept = home.objectives / "churn.yaml"
    keep_objective(home, objective)
    assert kept.read_bytes() == (EXAMPLES / "churn.yaml").read_bytes()
    kept.write_text("broken: [")
    keep_objective(home, objective)
    assert resolve_objective(home, "churn") == objective
