"""The command line's verbs, about a cluster instead of this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tidemill.cli.main import build_app
from tidemill.cluster import training
from tidemill.cluster.logs import newest_pods
from tidemill.errors import TidemillError

EXAMPLES = Path(__file__).parents[2] / "examples"
ON_CLUSTER = ("--context", "double")
Make = Callable[..., dict[str, Any]]


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(build_app(), [*map(str, arguments), *ON_CLUSTER])
    if isinstance(result.exception, TidemillError):
        raise result.exception
    return result


@pytest.fixture
def churn(api_double: Any, objective: Make) -> dict[str, Any]:
    """An Objective that serves version 3, whose newest run was refused."""
    trained = {
        "name": "churn-1",
        "run": "run-1",
        "state": "SUCCEEDED",
        "reason": "first run",
        "started": "2026-03-01T12:00:00Z",
        "result": "refused",
        "outcome": "not better than [version 3]",
    }
    condition = {
        "type": "Serving",
        "status": "True",
        "reason": "Ready",
        "message": "version 3 answers",
        "lastTransitionTime": "2026-03-01T12:00:00Z",
    }
    facts = {"type": "churn", "phase": "Serving", "modelVersion": "3", "quality": "0.831"}
    status = {**facts, "training": trained, "conditions": [condition]}
    return api_double.put({**objective(), "status": status})  # type: ignore[no-any-return]  # fixtures are untyped


@pytest.fixture
def endpoint(api_double: Any, churn: dict[str, Any]) -> None:
    """Its InferenceService, in Standard mode, answers."""
    metadata = {"name": "churn", "labels": {"tidemill.dev/objective": "churn"}}
    version = "serving.kserve.io/v1beta1"
    api_double.put({"apiVersion": version, "kind": "InferenceService", "metadata": metadata})

    def answer(path: str, body: bytes) -> tuple[int, bytes]:
        same = {"score": 0.25, "grade": "B", "model_version": "3", "cold_start": False}
        rows = [{"user_id": user, **same} for user in json.loads(body)["instances"]]
        return 200, json.dumps({"prediction_id": "p", "predictions": rows}).encode()

    api_double.service("churn-predictor", answer)


def pod(name: str, container: str = "main", **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "istio-proxy"}, {"name": container}]},
    }


def test_applying_says_what_it_did(api_double: Any, tmp_path: Path) -> None:
    """In kubectl's words; the API server stores what the file says."""
    file = tmp_path / "churn.yaml"
    file.write_text((EXAMPLES / "churn.yaml").read_text())
    assert run("apply", file).stdout == "churn created\n"
    assert run("apply", file).stdout == "churn unchanged\n"
    file.write_text(file.read_text().replace("28d", "14d"))
    assert run("apply", file).stdout == "churn configured\n"
    stored = api_double.get("Objective", "churn")
    assert stored["spec"]["churn"]["within"] == "14d"
    assert stored["metadata"]["managedFields"][0]["manager"] == "tidemill-cli"


def test_one_bad_file_keeps_all_from_the_cluster(api_double: Any, tmp_path: Path) -> None:
    """Every problem is on a line of its own, before anything is sent."""
    bad = tmp_path / "bad.yaml"
    bad.write_text((EXAMPLES / "churn.yaml").read_text().replace("within: 28d", "within: x"))
    result = run("apply", EXAMPLES / "churn.yaml", bad)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{bad}:9: spec.churn.within:")
    assert api_double.requests == []


def test_a_file_of_another_namespace_is_refused(api_double: Any, tmp_path: Path) -> None:
    """As kubectl refuses it: one of the two is a mistake."""
    file = tmp_path / "churn.yaml"
    text = (EXAMPLES / "churn.yaml").read_text()
    file.write_text(text.replace("  name: churn", "  name: churn\n  namespace: shop"))
    with pytest.raises(TidemillError, match="belongs to namespace shop, not to tidemill"):
        run("apply", file)


@pytest.mark.usefixtures("churn")
def test_status_shows_what_kubectl_shows() -> None:
    """And for one objective, what to know about it."""
    assert "churn     churn Serving 3       0.831" in run("status").stdout
    told = run("status", "churn").stdout
    assert "Serving: yes, Ready: version 3 answers" in told
    assert "churn-1 2026-03-01 12:00 UTC (first run): refused, not better than [version 3]" in told


@pytest.mark.usefixtures("churn")
def test_status_for_scripts_is_json() -> None:
    """The whole status, as the operator wrote it."""
    found = json.loads(run("status", "--json").stdout)
    assert found["namespace"] == "tidemill"
    (only,) = found["objectives"]
    assert (only["name"], only["phase"], only["training"]["run"]) == ("churn", "Serving", "run-1")


@pytest.mark.usefixtures("churn")
def test_a_misspelt_objective_gets_the_nearest_name() -> None:
    """For every verb about one."""
    for verb, *rest in (["status"], ["train"], ["logs"], ["predict", "u1"]):
        with pytest.raises(TidemillError, match="no objective is called 'chrun'") as refused:
            run(verb, "chrun", *rest)
        assert refused.value.hint == "did you mean 'churn'?"


@pytest.mark.usefixtures("churn")
def test_every_asking_for_a_training_is_a_new_one(api_double: Any) -> None:
    """The annotation gets a value that it never had."""
    tokens = {json.loads(run("train", "churn", "--json").stdout)["request"] for _ in range(2)}
    assert len(tokens) == 2
    annotations = api_double.get("Objective", "churn")["metadata"]["annotations"]
    assert annotations["tidemill.dev/train"] in tokens


def test_training_a_file_applies_it_first(api_double: Any) -> None:
    """As training a file on this machine does."""
    assert run("train", EXAMPLES / "churn.yaml").exit_code == 0
    assert "tidemill.dev/train" in api_double.get("Objective", "churn")["metadata"]["annotations"]


@pytest.mark.usefixtures("churn")
@pytest.mark.parametrize(
    ("result", "code"), [("promoted", 0), ("refused", 0), ("not_ready", 1), ("failed", 1)]
)
def test_waiting_ends_with_the_run_that_was_asked_for(
    api_double: Any,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., None],
    result: str,
    code: int,
) -> None:
    """Not with the one that ended before; the test plays the operator."""
    monkeypatch.setattr(training.time, "sleep", lambda seconds: threading.Event().wait(0.01))

    def operate() -> None:
        wait_until(lambda: "annotations" in api_double.get("Objective", "churn")["metadata"])
        annotations = api_double.get("Objective", "churn")["metadata"]["annotations"]
        begun = {"name": "churn-2", "run": "run-2", "request": annotations["tidemill.dev/train"]}
        api_double.fail("GET", "objectives", 500, times=2)
        running = {**begun, "state": "RUNNING"}
        api_double.set_status("Objective", "churn", {"training": running})
        seen = api_double.count("GET", "objectives")
        wait_until(lambda: api_double.count("GET", "objectives") > seen + 4)
        ended = {**begun, "state": "SUCCEEDED", "result": result}
        api_double.set_status("Objective", "churn", {"training": ended})

    operator = threading.Thread(target=operate, daemon=True)
    operator.start()
    waited = run("train", "churn", "--wait")
    assert waited.stdout == f"churn: {result}\n"
    assert waited.exit_code == code
    assert "run churn-2 is running" in waited.stderr


@pytest.mark.usefixtures("churn")
def test_options_of_this_machine_are_refused() -> None:
    """A cluster trains up to now, on what it has."""
    for wrong in (["train", "churn", "--at", "2026-01-01"], ["train", "churn", "--reason", "x"],
                  ["predict", "churn", "--all", "--out", "x"]):  # fmt: skip
        with pytest.raises(TidemillError, match="is for this machine"):
            run(*wrong)


def test_a_namespace_without_a_cluster_is_refused() -> None:
    """It would silently be about this machine."""
    result = CliRunner().invoke(build_app(), ["status", "--namespace", "shop"])
    assert isinstance(result.exception, TidemillError)


@pytest.mark.usefixtures("endpoint")
def test_predictions_come_through_the_api_server(api_double: Any) -> None:
    """In the form that this machine's have."""
    rows = json.loads(run("predict", "churn", "u1", "u2", "--json").stdout)
    assert [row["user_id"] for row in rows] == ["u1", "u2"]
    assert list(rows[0]) == ["user_id", "score", "grade", "cold_start", "model_version"]
    assert api_double.posted[0][:2] == ("churn-predictor", "/v1/models/churn:predict")
    assert "0.2500" in run("predict", "churn", "u1").stdout


@pytest.mark.usefixtures("endpoint")
def test_lists_come_through_the_api_server(api_double: Any) -> None:
    """Of an objective that chooses items, in the form that this machine's have."""
    items = [{"item_id": "tea", "score": 0.5, "probability": 1.0}]
    about = {"user_id": "u1", "items": items, "cold_start": True, "fallback": ""}
    body = json.dumps({"prediction_id": "p", "predictions": [about]}).encode()
    api_double.service("churn-predictor", lambda _path, _body: (200, body))
    assert json.loads(run("predict", "churn", "u1", "--json").stdout) == [about]
    assert "tea" in run("predict", "churn", "u1").stdout


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"predictions": [0.5]}'])
def test_another_server_behind_the_endpoint_is_an_error_in_words(
    api_double: Any, body: bytes
) -> None:
    """A runtime of somebody else answers in another way."""
    api_double.service("churn-predictor", lambda _path, _body: (200, body))
    with pytest.raises(TidemillError, match="did not answer as Tidemill's server does"):
        run("predict", "churn", "u1")


@pytest.mark.usefixtures("endpoint")
def test_knative_is_asked_at_its_own_url(api_double: Any) -> None:
    """Its gateway wakes pods; the API server's proxy would find none."""
    metadata = {"name": "churn", "annotations": {"serving.kserve.io/deploymentMode": "Knative"}}
    version = "serving.kserve.io/v1beta1"
    service = {"apiVersion": version, "kind": "InferenceService", "metadata": metadata}
    api_double.put(service)
    with pytest.raises(TidemillError, match="has no URL yet"):
        run("predict", "churn", "u1")
    api_double.put({**service, "status": {"url": api_double.url}})
    with pytest.raises(TidemillError, match=f"{api_double.url} answered 401"):
        run("predict", "churn", "u1")
    assert api_double.requests[-1] == ("POST", "/v1/models/churn:predict")


@pytest.mark.usefixtures("churn")
def test_an_objective_without_an_endpoint_says_so() -> None:
    """It may still be training."""
    with pytest.raises(TidemillError, match="nothing serves 'churn' yet"):
        run("predict", "churn", "u1")


@pytest.mark.usefixtures("churn")
def test_logs_of_a_training_are_those_of_its_steps(api_double: Any) -> None:
    """Of the newest run, in order, without Kubeflow's own pods; what waits is said."""
    run_id = {"pipeline/runid": "run-1"}
    for name in ("x-driver-1", "x-impl-1", "x-impl-2"):
        api_double.put(pod(name, **run_id))
        api_double.log(name, f"{name} says\n", container="main")
    api_double.put(pod("x-impl-3", **run_id))
    api_double.put(pod("other", **{"pipeline/runid": "run-0"}))
    result = run("logs", "churn")
    assert result.stdout == "x-impl-1 says\nx-impl-2 says\n"
    assert "--- x-impl-3 " in result.stderr


@pytest.mark.usefixtures("endpoint")
def test_logs_of_servers_and_monitors_are_of_the_newest_pods(api_double: Any) -> None:
    """The server's own container, also beside a sidecar."""
    served = {"serving.kserve.io/inferenceservice": "churn"}
    api_double.put(pod("server", "kserve-container", **served))
    api_double.log("server", "serving\n", container="kserve-container")
    assert run("logs", "churn", "--of", "serving").stdout == "serving\n"
    with pytest.raises(TidemillError, match="no pod of monitoring"):
        run("logs", "churn", "--of", "monitoring")


def test_the_newest_pods_are_shown_last() -> None:
    """By when they were created, whatever their names."""
    pods = [
        {"metadata": {"name": name, "creationTimestamp": f"2026-03-0{day}T00:00:00Z"}}
        for name, day in (("d", 1), ("a", 3), ("c", 2), ("b", 4))
    ]
    names = [pod["metadata"]["name"] for pod in newest_pods(pods, "serving")]
    assert names == ["c", "a", "b"]
    assert len(newest_pods(pods, "monitoring")) == 1
    assert len(newest_pods(pods, "training")) == 4
