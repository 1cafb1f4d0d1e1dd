"""What came of a training can be read long after its processes are gone."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tidemill.errors import BundleError, NotReadyError
from tidemill.home import Home
from tidemill.objective import resolve_objective
from tidemill.registry import Registry
from tidemill_pipelines import steps
from tidemill_pipelines.outcomes import record
from tidemill_pipelines.reporting import reported


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One registry for all tests: making its database takes seconds."""
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def objective(objective_of):
    return objective_of().model_dump_json()


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (NotReadyError("9 positives", hint="wait"), "not_ready", "9 positives; wait"),
        (BundleError("broken"), "failed", "broken"),
        (ZeroDivisionError("division by zero"), "failed", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_step_that_fails_leaves_its_cause(home, objective, error, outcome, reason):
    """Too little data is told apart from a failure; the step still fails by its own error."""
    with pytest.raises(type(error)), reported(str(home.root), objective):
        raise error
    found = Registry(home).outcome("orders")
    assert (found.outcome, found.reason, found.version) == (outcome, reason, None)
    assert datetime.now(UTC) - found.at < timedelta(minutes=1)


def test_a_refusal_leaves_the_gates_reason_and_the_version(home, objective, tmp_path):
    """The candidate is registered all the same."""
    path = tmp_path / "evaluation"
    worse = {"difference": -0.1, "lower": -0.2, "upper": 0.0}
    path.write_text(json.dumps({"over_baseline": worse, "over_champion": None}))
    assert steps.gate(str(home.root), objective, "7", str(path)) is False
    found = Registry(home).outcome("orders")
    assert (found.outcome, found.version) == ("refused", "7")
    assert found.reason.startswith("not better than recency alone")


def test_a_registry_out_of_reach_does_not_hide_the_error(tmp_path, objective, capsys):
    """The step's own error goes on; that nothing was recorded is said beside it."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NotReadyError, match="9 users"), reported(str(tmp_path / "file"), objective):
        raise NotReadyError("9 users")
    assert "the outcome could not be recorded" in capsys.readouterr().out


def test_a_registry_out_of_reach_does_not_undo_a_success(tmp_path, capsys):
    """What is promoted is promoted."""
    (tmp_path / "file").write_text("in the way")
    record(str(tmp_path / "file"), "orders", "promoted", "better", "1")
    assert "the outcome could not be recorded" in capsys.readouterr().out


def test_an_objective_that_cannot_be_read_has_no_name_to_record_under(tmp_path):
    """Its error is the only one."""
    with pytest.raises(ValueError, match="bad"), reported(str(tmp_path), "not JSON"):
        raise ValueError("bad")
    assert list(tmp_path.iterdir()) == []


def test_without_an_instant_a_run_is_as_of_now(tmp_path, home_with, shop_events, objective_of):
    """A recurring run has the same parameters every time; later steps read what validate wrote."""
    home = home_with(tmp_path, shop_events(150, 100))
    plan = tmp_path / "plan"
    with pytest.raises(NotReadyError, match="0 positive outcomes"):
        steps.validate(str(home.root), objective_of().model_dump_json(), "", str(plan))


def test_validate_makes_the_objective_known_by_its_name(
    tmp_path, home_with, shop_events, objective_of, cutoff
):
    """On a cluster no command has brought its file to the home; a monitor asks for the name."""
    home = home_with(tmp_path, shop_events(150, 100))
    declared, plan = objective_of(), tmp_path / "plan"
    steps.validate(str(home.root), declared.model_dump_json(), cutoff.isoformat(), str(plan))
    assert resolve_objective(home, "orders") == declared
    assert json.loads(plan.read_text())["at"] == cutoff.isoformat()
