"""The stub of Kubeflow Pipelines answers Kubeflow's own client as that client expects."""

import pytest
from kfp import Client

IR = "pipelineInfo: {name: training}\nschemaVersion: 2.1.0\nroot: {dag: {tasks: {}}}\n"


@pytest.fixture
def official(kubeflow_stub, tmp_path, monkeypatch):
    """kfp.Client, which keeps its settings below HOME."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.warns(FutureWarning):
        return Client(host=kubeflow_stub.url)


def test_the_stub_serves_kfps_own_client(official, tmp_path):
    """Upload, run, look, repeat: with nothing of ours in between."""
    package = tmp_path / "training.yaml"
    package.write_text(IR)
    pipeline = official.upload_pipeline(str(package), "training")
    version = official.upload_pipeline_version(str(package), "v-1", pipeline_name="training")
    experiment = official.create_experiment("orders")
    run = official.run_pipeline(
        experiment.experiment_id,
        "orders-first",
        pipeline_id=pipeline.pipeline_id,
        version_id=version.pipeline_version_id,
    )
    assert official.get_pipeline_id("training") == pipeline.pipeline_id
    assert [found.run_id for found in official.list_runs().runs] == [run.run_id]
    assert official.get_run(run.run_id).state == "PENDING"


def test_the_stub_pages_and_schedules_for_kfps_own_client(official, kubeflow_stub, tmp_path):
    """Two at a time, and a recurring run in six fields."""
    package = tmp_path / "training.yaml"
    package.write_text(IR)
    experiment = official.create_experiment("orders")
    for name in ("a", "b", "c"):
        official.run_pipeline(experiment.experiment_id, name, pipeline_package_path=str(package))
    first = official.list_runs(page_size=2)
    second = official.list_runs(page_size=2, page_token=first.next_page_token)
    assert [run.display_name for run in first.runs + second.runs] == ["a", "b", "c"]
    official.create_recurring_run(
        experiment.experiment_id,
        "weekly",
        cron_expression="0 0 3 * * 1",
        pipeline_package_path=str(package),
    )
    (made,) = official.list_recurring_runs().recurring_runs
    assert made.display_name == "weekly"
