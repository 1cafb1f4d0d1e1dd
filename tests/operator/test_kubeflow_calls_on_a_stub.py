"""What the operator asks of Kubeflow Pipelines, seen by a stub of its API."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from kubeflow_stub import KubeflowStub

from tidemill.operator.kubeflow import Kubeflow, KubeflowError, Version

IR = "pipelineInfo: {name: training}\n---\nplatforms: {}\n"
PARAMETERS = {"objective": "{}", "at": ""}


@pytest.fixture
def kubeflow(kubeflow_stub):
    return Kubeflow(kubeflow_stub.url, "shop")


@pytest.fixture
def version(kubeflow):
    return kubeflow.ensure_version("training", "v-1", IR)


def test_a_version_is_uploaded_once_to_the_stub(kubeflow, kubeflow_stub):
    """The second call finds what the first one made."""
    first = kubeflow.ensure_version("training", "v-1", IR)
    assert kubeflow.ensure_version("training", "v-1", IR) == first
    assert kubeflow_stub.count("POST", "/upload_version") == 1
    (upload,) = [r for r in kubeflow_stub.requests if "upload" in r.path]
    assert upload.body == IR
    assert first == Version(
        kubeflow_stub.pipelines[0]["pipeline_id"], kubeflow_stub.versions[0]["pipeline_version_id"]
    )


def test_a_new_version_joins_the_pipeline_of_the_stub(kubeflow, kubeflow_stub, version):
    """One pipeline, many versions."""
    other = kubeflow.ensure_version("training", "v-2", IR)
    assert other.pipeline == version.pipeline
    assert other.version != version.version
    assert len(kubeflow_stub.pipelines) == 1


def test_a_version_made_by_somebody_else_meanwhile_is_taken_from_the_stub(kubeflow_stub):
    """Two operators look, both find nothing, and the slower one is refused with 409."""
    operators = [Kubeflow(kubeflow_stub.url, "shop") for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda o: o.ensure_version("training", "v-1", IR), operators))
    assert len(set(made)) == 1
    assert len(kubeflow_stub.pipelines) == len(kubeflow_stub.versions) == 1


def test_a_conflict_that_nobody_explains_is_an_error_of_the_stub(kubeflow, kubeflow_stub):
    """409 and still nothing of that name: looping would hide it."""
    kubeflow_stub.fail("POST", "/pipelines", status=409)
    with pytest.raises(KubeflowError, match="409"):
        kubeflow.ensure_version("training", "v-1", IR)


def test_a_name_is_started_once_on_the_stub(kubeflow, kubeflow_stub, version):
    """Also by many threads at once."""
    with ThreadPoolExecutor(8) as threads:
        runs = list(
            threads.map(
                lambda _: kubeflow.ensure_run("orders", "orders-first", version, PARAMETERS),
                range(8),
            )
        )
    assert len({run.id for run in runs}) == 1
    assert len(kubeflow_stub.runs) == len(kubeflow_stub.experiments) == 1


def test_a_run_ended_long_ago_is_not_started_again_on_the_stub(kubeflow, kubeflow_stub, version):
    """The name decides, not the state."""
    kubeflow.ensure_run("orders", "orders-first", version, PARAMETERS)
    kubeflow_stub.finish("orders-first", "FAILED")
    found = kubeflow.ensure_run("orders", "orders-first", version, PARAMETERS)
    assert (found.state, found.ended) == ("FAILED", True)
    assert len(kubeflow_stub.runs) == 1


def test_a_run_carries_version_parameters_and_account_to_the_stub(kubeflow_stub, version):
    """Standalone: no namespace anywhere."""
    kubeflow = Kubeflow(kubeflow_stub.url, "shop", service_account="trainer")
    kubeflow.ensure_run("orders", "orders-first", version, PARAMETERS)
    sent = kubeflow_stub.run_named("orders-first")
    assert sent["runtime_config"] == {"parameters": PARAMETERS}
    assert sent["pipeline_version_reference"]["pipeline_version_id"] == version.version
    assert sent["service_account"] == "trainer"
    assert sent["experiment_id"] == kubeflow_stub.experiments[0]["experiment_id"]
    assert not any("namespace" in request.query for request in kubeflow_stub.requests)


def test_names_that_differ_in_case_are_different_on_the_stub(kubeflow, kubeflow_stub, version):
    """The API's own comparison would take one for the other."""
    kubeflow.ensure_run("orders", "orders-ABC", version, PARAMETERS)
    kubeflow.ensure_run("orders", "orders-abc", version, PARAMETERS)
    assert [run["display_name"] for run in kubeflow_stub.runs] == ["orders-ABC", "orders-abc"]


def test_a_failed_step_of_the_stub_is_told_with_its_message(kubeflow, kubeflow_stub, version):
    """Run and step may both know something; each sentence appears once."""
    run = kubeflow.ensure_run("orders", "orders-first", version, PARAMETERS)
    kubeflow_stub.finish("orders-first", "FAILED", error="the run stopped")
    kubeflow_stub.finish("orders-first", "FAILED", error="OOMKilled", step="train")
    found = kubeflow.run(run.id)
    assert found.error == "the run stopped; train: OOMKilled"
    assert found.created is not None


def test_an_unknown_run_of_the_stub_is_none(kubeflow, version):
    """It was deleted by hand, or belongs to another installation."""
    assert kubeflow.run("run-404") is None


def test_a_schedule_of_the_stub_has_six_fields_and_no_catch_up(kubeflow, kubeflow_stub, version):
    """Seconds come first in Kubeflow's cron."""
    made = kubeflow.ensure_schedule("orders", "orders-schedule-a", version, "0 3 * * 1", PARAMETERS)
    assert kubeflow.ensure_schedule("orders", "orders-schedule-a", version, "x", {}) == made
    (sent,) = kubeflow_stub.recurring_runs
    assert sent["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * 1"
    assert (sent["max_concurrency"], sent["no_catchup"], sent["mode"]) == ("1", True, "ENABLE")


def test_a_prefix_is_a_prefix_also_on_more_than_one_page_of_the_stub(
    kubeflow, kubeflow_stub, version
):
    """The server can only look for a substring, and shows 100 at a time."""
    kubeflow.ensure_schedule("orders", "orders-schedule-a", version, "0 3 * * 1", PARAMETERS)
    (made,) = kubeflow_stub.recurring_runs
    for n in range(150):
        kubeflow_stub.recurring_runs.append({**made, "display_name": f"reorders-schedule-{n}"})
    kubeflow_stub.recurring_runs.append({**made, "display_name": "orders-schedule-b"})
    found = [schedule.name for schedule in kubeflow.schedules("orders-schedule-")]
    assert found == ["orders-schedule-a", "orders-schedule-b"]


def test_deleting_a_schedule_twice_is_fine_with_the_stub(kubeflow, kubeflow_stub, version):
    """The operator may be stopped between deleting and remembering that it did."""
    made = kubeflow.ensure_schedule("orders", "orders-schedule-a", version, "0 3 * * 1", PARAMETERS)
    kubeflow.delete_schedule(made.id)
    kubeflow.delete_schedule(made.id)
    assert kubeflow_stub.recurring_runs == []


def test_only_running_runs_of_the_experiment_are_stopped_on_the_stub(
    kubeflow, kubeflow_stub, version
):
    """What has ended keeps its state, and other objectives their runs."""
    for name in ("orders-1", "orders-2", "reorders-1"):
        kubeflow.ensure_run(name.split("-")[0], name, version, PARAMETERS)
    kubeflow_stub.finish("orders-1", "SUCCEEDED")
    assert kubeflow.terminate_runs("orders") == 1
    states = {run["display_name"]: run["state"] for run in kubeflow_stub.runs}
    assert states == {"orders-1": "SUCCEEDED", "orders-2": "CANCELING", "reorders-1": "PENDING"}
    assert kubeflow.terminate_runs("orders") == 0


def test_a_stop_that_the_stub_refuses_is_an_error_while_the_run_goes_on(
    kubeflow, kubeflow_stub, version
):
    """Only a run that has ended meanwhile needs no stopping."""
    kubeflow.ensure_run("orders", "orders-1", version, PARAMETERS)
    kubeflow_stub.fail("POST", ":terminate", status=500)
    with pytest.raises(KubeflowError, match="500"):
        kubeflow.terminate_runs("orders")


def test_a_multi_user_stub_gets_token_and_namespace(tmp_path):
    """The token is read on every call, because projected tokens rotate."""
    path, (first, second) = tmp_path / "token", ("eyJ1", "eyJ2")
    with KubeflowStub(token=first) as stub:
        kubeflow = Kubeflow(stub.url, "shop", token_path=str(path))
        path.write_text(f"{first}\n")
        version = kubeflow.ensure_version("training", "v-1", IR)
        stub.token = second
        path.write_text(f"{second}\n")
        kubeflow.ensure_run("orders", "orders-first", version, PARAMETERS)
    assert stub.experiments[0]["namespace"] == stub.pipelines[0]["namespace"] == "shop"
    assert {request.token for request in stub.requests} == {first, second}


def test_a_refusal_of_the_stub_says_who_answered_what_and_where_to_look(kubeflow, kubeflow_stub):
    """Endpoint, status, the server's words, and a hint."""
    kubeflow_stub.fail("GET", "/pipelines", status=403)
    with pytest.raises(KubeflowError) as caught:
        kubeflow.ensure_version("training", "v-1", IR)
    assert caught.value.status == 403
    assert kubeflow_stub.url in caught.value.message
    assert "answered 403 to 'list pipelines': made to fail" in caught.value.message
    assert "role" in caught.value.hint


def test_a_server_that_is_gone_is_an_error_with_the_endpoint(kubeflow_stub):
    """No status, and the setting to check."""
    with KubeflowStub() as gone:
        kubeflow = Kubeflow(gone.url, "shop")
    with pytest.raises(KubeflowError, match="was not reached") as caught:
        kubeflow.run("run-1")
    assert caught.value.status == 0
    assert "kubeflow.endpoint" in caught.value.hint


def test_a_missing_token_file_is_an_error_that_names_it(kubeflow_stub, tmp_path):
    """The volume is not mounted."""
    kubeflow = Kubeflow(kubeflow_stub.url, "shop", token_path=str(tmp_path / "token"))
    with pytest.raises(KubeflowError, match=str(tmp_path)) as caught:
        kubeflow.schedules("orders-")
    assert "kubeflow.tokenPath" in caught.value.hint


def test_an_answer_that_is_not_kubeflows_is_an_error(kubeflow, kubeflow_stub, monkeypatch):
    """A login page answers 200 to everything."""
    monkeypatch.setattr(kubeflow_stub, "answer", lambda request: (200, "<html>"))
    with pytest.raises(KubeflowError, match="not Kubeflow Pipelines"):
        kubeflow.ensure_version("training", "v-1", IR)
