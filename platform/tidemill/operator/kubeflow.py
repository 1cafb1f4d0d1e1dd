"""Kubeflow Pipelines, as the operator sees it: versions, runs and schedules, each made once.

Kubeflow has no idempotency keys, so everything is looked up by its display name before it is made.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidemill.operator.kubeflow_api import KubeflowApi, KubeflowError
from tidemill.operator.kubeflow_records import Run, Schedule, Version, read_run, read_schedule

__all__ = ["Kubeflow", "KubeflowError", "Run", "Schedule", "Version"]


class Kubeflow:
    """The few verbs the operator needs; safe to share between threads.

    Every method raises KubeflowError when the server cannot be reached or refuses.
    """

    def __init__(
        self, endpoint: str, namespace: str, service_account: str = "", token_path: str = ""
    ) -> None:
        """`token_path` names a projected token and means multi-user mode, where everything
        belongs to `namespace`; a Kubeflow without users knows no namespaces."""
        self._api = KubeflowApi(endpoint, token_path)
        self._namespace = namespace if token_path else None
        self._service_account = service_account or None
        self._creating = threading.RLock()

    def ensure_version(self, pipeline: str, version: str, ir: str) -> Version:
        """The version called `version`; uploads `ir`, the compiled YAML, if there is none yet."""
        owner = self._pipeline(pipeline)
        list_versions = self._api.pipelines.pipeline_service_list_pipeline_versions
        found = self._ensure(
            "pipeline_version_id",
            lambda: self._api.find(list_versions, "pipeline_versions", version, pipeline_id=owner),
            lambda: self._upload(owner, version, ir),
        )
        return Version(owner, found.pipeline_version_id)

    def ensure_run(
        self, experiment: str, name: str, version: Version, parameters: dict[str, str]
    ) -> Run:
        """The run called `name`, started if there never was one."""
        service, owner = self._api.runs, self._namespace

        def start() -> Any:
            body = self._api.types.V2beta1Run(**self._job(experiment, name, version, parameters))
            return self._api.call(service.run_service_create_run, body)

        found = self._ensure(
            "run_id",
            lambda: self._api.find(service.run_service_list_runs, "runs", name, namespace=owner),
            start,
        )
        return read_run(found)

    def run(self, run_id: str) -> Run | None:
        """The run with this id, None when Kubeflow does not know it."""
        try:
            found = self._api.call(self._api.runs.run_service_get_run, run_id)
        except KubeflowError as error:
            if error.status == 404:
                return None
            raise
        return read_run(self._api.identified(found, "run_id"))

    def schedules(self, prefix: str) -> list[Schedule]:
        """Recurring runs whose names begin with `prefix`."""
        list_schedules = self._api.schedules.recurring_run_service_list_recurring_runs
        found = self._api.starting_with(
            list_schedules, "recurring_runs", prefix, namespace=self._namespace
        )
        return [read_schedule(schedule) for schedule in found]

    def ensure_schedule(
        self,
        experiment: str,
        name: str,
        version: Version,
        cron: str,
        parameters: dict[str, str],
    ) -> Schedule:
        """The recurring run called `name`, made if there is none. `cron` has five fields.

        One run at a time, and ticks missed while Kubeflow was down are not made up for.
        """
        service, owner = self._api.schedules, self._namespace
        list_schedules = service.recurring_run_service_list_recurring_runs

        def create() -> Any:
            body = self._api.types.V2beta1RecurringRun(
                trigger=self._trigger(cron),
                max_concurrency="1",
                no_catchup=True,
                mode="ENABLE",
                **self._job(experiment, name, version, parameters),
            )
            return self._api.call(service.recurring_run_service_create_recurring_run, body)

        found = self._ensure(
            "recurring_run_id",
            lambda: self._api.find(list_schedules, "recurring_runs", name, namespace=owner),
            create,
        )
        return read_schedule(found)

    def delete_schedule(self, schedule_id: str) -> None:
        """Stop and forget a recurring run; the runs it started stay. Gone already is fine."""
        delete = self._api.schedules.recurring_run_service_delete_recurring_run
        try:
            self._api.call(delete, schedule_id)
        except KubeflowError as error:
            if error.status != 404:
                raise

    def terminate_runs(self, experiment: str) -> int:
        """Stop the runs of an experiment, scheduled ones too; returns how many were stopped."""
        found = self._api.entries(
            self._api.runs.run_service_list_runs,
            "runs",
            namespace=self._namespace,
            experiment_id=self._experiment(experiment),
        )
        runs = [run for run in map(read_run, found) if not run.ended and run.state != "CANCELING"]
        return sum(self._terminate(run) for run in runs)

    def _terminate(self, run: Run) -> bool:
        try:
            self._api.call(self._api.runs.run_service_terminate_run, run.id)
        except KubeflowError:
            now = self.run(run.id)
            if now is not None and not now.ended:
                raise
            return False  # it ended by itself in the meantime
        return True

    def _ensure(self, key: str, find: Callable[[], Any], create: Callable[[], Any]) -> Any:
        """What `find` finds, or else what `create` makes, also when somebody else is faster."""
        found = find()
        if found is None:
            with self._creating:
                found = find() or self._create(find, create)
        return self._api.identified(found, key)

    def _create(self, find: Callable[[], Any], create: Callable[[], Any]) -> Any:
        try:
            return create()
        except KubeflowError as error:
            found = find() if error.status == 409 else None
            if found is None:
                raise
            return found

    def _pipeline(self, name: str) -> str:
        """Id of the pipeline, which is made on demand."""
        service, owner = self._api.pipelines, self._namespace
        list_pipelines = service.pipeline_service_list_pipelines
        body = self._api.types.V2beta1Pipeline(name=name, display_name=name, namespace=owner)
        found = self._ensure(
            "pipeline_id",
            lambda: self._api.find(list_pipelines, "pipelines", name, namespace=owner),
            lambda: self._api.call(service.pipeline_service_create_pipeline, body),
        )
        return str(found.pipeline_id)

    def _upload(self, pipeline: str, name: str, ir: str) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pipeline.yaml"  # the generated client uploads only files
            path.write_text(ir)
            upload = self._api.uploads.upload_pipeline_version
            return self._api.call(
                upload, str(path), name=name, display_name=name, pipelineid=pipeline
            )

    def _experiment(self, name: str) -> str:
        """Id of the experiment, which is made on demand."""
        service, owner = self._api.experiments, self._namespace
        list_experiments = service.experiment_service_list_experiments
        body = self._api.types.V2beta1Experiment(display_name=name, namespace=owner)
        found = self._ensure(
            "experiment_id",
            lambda: self._api.find(list_experiments, "experiments", name, namespace=owner),
            lambda: self._api.call(service.experiment_service_create_experiment, body),
        )
        return str(found.experiment_id)

    def _job(
        self, experiment: str, name: str, version: Version, parameters: dict[str, str]
    ) -> dict[str, Any]:
        """What a run and a recurring run have in common."""
        types = self._api.types
        return {
            "display_name": name,
            "experiment_id": self._experiment(experiment),
            "pipeline_version_reference": types.V2beta1PipelineVersionReference(
                pipeline_id=version.pipeline, pipeline_version_id=version.version
            ),
            "runtime_config": types.V2beta1RuntimeConfig(parameters=parameters),
            "service_account": self._service_account,
        }

    def _trigger(self, cron: str) -> Any:
        types = self._api.types
        # Kubeflow's cron begins with seconds.
        return types.V2beta1Trigger(cron_schedule=types.V2beta1CronSchedule(cron=f"0 {cron}"))
