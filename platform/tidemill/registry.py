"""Port to MLflow: runs, registered bundles, and the aliases that say which one is live.

Aliases: `champion` is served, `previous` is what it replaced. Only the gate and the explicit
promote and rollback verbs move them. The served folder follows the champion.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill.bundle import MODEL_FILE
from tidemill.errors import BundleError
from tidemill.home import Home

CHAMPION = "champion"
PREVIOUS = "previous"
_CURRENT = "current"


@dataclass(frozen=True)
class Registered:
    """A bundle in the registry."""

    version: str
    run_id: str


class Registry:
    """The home's MLflow store. Clients and run ids are passed explicitly, never global."""

    def __init__(self, home: Home) -> None:
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        from mlflow import MlflowClient  # noqa: PLC0415  # 2 CPU seconds to import

        self._home = home
        self.tracking_uri = f"sqlite:///{home.mlflow_database}"
        home.root.mkdir(parents=True, exist_ok=True)
        # Two processes that open a new database at once leave it broken for good.
        with home.lock("mlflow"):
            self._client = MlflowClient(self.tracking_uri, registry_uri=self.tracking_uri)
            self._client.search_experiments(max_results=1)

    def register(
        self,
        objective: str,
        bundle: Path,
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> Registered:
        """Log the files of `bundle` as a run and register them as the objective's next version."""
        run = self._client.create_run(self._experiment(objective), tags=dict(tags))
        self._log(run.info.run_id, parameters, metrics)
        for file in sorted(bundle.iterdir()):
            self._client.log_artifact(run.info.run_id, str(file), "bundle")
        self._client.set_terminated(run.info.run_id)
        if not self._known(objective):
            self._client.create_registered_model(objective)
        version = self._client.create_model_version(
            objective, f"{run.info.artifact_uri}/bundle", run.info.run_id, tags=dict(tags)
        )
        return Registered(str(version.version), run.info.run_id)

    def champion(self, objective: str) -> str | None:
        """Version of the live bundle, None before the first."""
        return self._alias(objective, CHAMPION)

    def promote(self, objective: str, version: str, reason: str) -> None:
        """Make `version` the champion and serve it; the old champion becomes `previous`."""
        with self._home.lock(f"registry-{objective}"):
            old = self.champion(objective)
            self._publish(objective, version)
            if old is not None and old != version:
                self._client.set_registered_model_alias(objective, PREVIOUS, old)
            self._client.set_registered_model_alias(objective, CHAMPION, version)
            self._client.set_model_version_tag(objective, version, "tidemill.promoted", reason)

    def versions(self, objective: str) -> list[dict[str, Any]]:
        """Every registered version, newest first: version, aliases, tags, created (ms)."""
        if not self._known(objective):
            return []
        aliases = self._client.get_registered_model(objective).aliases
        found = self._client.search_model_versions(f"name = '{objective}'")
        return [
            {
                "version": str(v.version),
                "aliases": sorted(a for a, at in aliases.items() if str(at) == str(v.version)),
                "tags": dict(v.tags),
                "created_ms": v.creation_timestamp,
                "run_id": v.run_id,
            }
            for v in sorted(found, key=lambda v: int(v.version), reverse=True)
        ]

    def _publish(self, objective: str, version: str) -> None:
        """Copy the bundle into the served folder and swap the `current` link in one step."""
        served = self._home.served(objective)
        served.mkdir(parents=True, exist_ok=True)
        source = Path(
            self._client.get_model_version_download_uri(objective, version).removeprefix("file://")
        )
        target = served / version
        if not target.exists():
            draft = served / f".{version}.{os.getpid()}"
            shutil.copytree(source, draft)
            draft.rename(target)
        link = served / f".{_CURRENT}.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(version)
        link.replace(served / _CURRENT)

    def _experiment(self, objective: str) -> str:
        found = self._client.get_experiment_by_name(objective)
        if found is not None:
            return str(found.experiment_id)
        location = (self._home.mlflow_artifacts / objective).as_uri()
        return str(self._client.create_experiment(objective, artifact_location=location))

    def _log(
        self, run_id: str, parameters: Mapping[str, str], metrics: Mapping[str, float]
    ) -> None:
        from mlflow.entities import Metric, Param  # noqa: PLC0415  # deferred with the client
        from mlflow.utils.time import get_current_time_millis  # noqa: PLC0415  # the same

        now = get_current_time_millis()
        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
            params=[Param(key, value) for key, value in parameters.items()],
        )

    def _known(self, objective: str) -> bool:
        return bool(self._client.search_registered_models(f"name = '{objective}'"))

    def _alias(self, objective: str, alias: str) -> str | None:
        if not self._known(objective):
            return None
        version = self._client.get_registered_model(objective).aliases.get(alias)
        return None if version is None else str(version)


def served_bundle(home: Home, objective: str) -> Path:
    """Folder of the bundle that is live. Raises BundleError when nothing was promoted yet."""
    link = home.served(objective) / _CURRENT
    if not (link / MODEL_FILE).exists():
        raise BundleError(
            f"objective '{objective}' has no live model in {home.root}",
            hint=f"train one with `tidemill train {objective}`",
        )
    return link.resolve()


