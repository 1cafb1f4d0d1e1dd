"""Port to MLflow: runs, registered bundles, and the aliases that say which one is live.

Aliases: `champion` is served, `previous` is what it replaced, `shadow` and `challenger` are on
trial. Only the gate, verdicts and the explicit promote and rollback verbs move them. The served
folder follows the champion.
"""

from __future__ import annotations

import getpass
import os
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import Any

from tidemill.bundle import MODEL_FILE
from tidemill.errors import BundleError
from tidemill.home import Home
from tidemill.model_signature import signature_of
from tidemill.outcome import TrainingOutcome
from tidemill.promotions import Promotion, promotion_tag, read_promotions
from tidemill.served_folder import ServedFolder
from tidemill.tracking import Tracking, plainly

CHAMPION = "champion"
PREVIOUS = "previous"
RIVAL = "tidemill.rival"
"""Tag of a version: the champion it had to beat."""
SHADOW = "shadow"
"""Alias, and link in the served folder, of the challenger that is scored without being heard."""
CHALLENGER = "challenger"
"""Alias of the version that has an arm of an experiment."""
_SHADOW_SINCE = "tidemill.shadow_since"
_OUTCOME = "tidemill.outcome"
_REASON_LENGTH = 800
"""MLflow's tags hold 5,000 characters, and JSON may need six of them for one."""


@dataclass(frozen=True)
class Registered:
    """A bundle in the registry."""

    version: str
    run_id: str


class Registry:
    """The models of one home, in its own MLflow or in the server of MLFLOW_TRACKING_URI.

    Every method raises BundleError when that server cannot be reached or refuses.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._tracking = Tracking(home)
        self._client = self._tracking.client

    @property
    def tracking_uri(self) -> str:
        return self._tracking.uri

    @plainly
    def register(
        self,
        objective: str,
        bundle: Path,
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> Registered:
        """Log the bundle as an MLflow run and model, registered as the objective's next version."""
        import mlflow  # 2 CPU seconds to import
        import onnx  # not in the serving image

        mlflow.set_tracking_uri(self.tracking_uri)
        with mlflow.start_run(
            experiment_id=self._tracking.experiment(objective),
            tags=dict(tags),
            log_system_metrics=False,
        ) as run:
            mlflow.log_params(dict(parameters))
            mlflow.log_metrics(dict(metrics), step=0)
            for path in sorted(bundle.iterdir()):
                if path.name != MODEL_FILE:
                    mlflow.log_artifact(str(path))
            info = mlflow.onnx.log_model(
                onnx.load(bundle / MODEL_FILE),
                name="bundle",
                step=0,
                signature=signature_of(bundle / MODEL_FILE),
                registered_model_name=objective,
                await_registration_for=None,
                save_as_external_data=False,
                pip_requirements=["onnxruntime==1.31.1"],
                onnx_execution_providers=["CPUExecutionProvider"],
            )
            version = str(info.registered_model_version)
            for key, value in tags.items():
                self._client.set_model_version_tag(objective, version, key, value)
        with self._home.lock(f"registry-{objective}"):
            self._served(objective).release(version)
        return Registered(version, str(run.info.run_id))

    @plainly
    def champion(self, objective: str) -> str | None:
        """Version of the live bundle, None before the first."""
        return self._alias(objective, CHAMPION)

    @plainly
    def promote(self, objective: str, version: str, reason: str) -> None:
        """Make `version` the champion and serve it; the old champion becomes `previous`.

        Raises BundleError, and changes nothing, when the version is not registered.
        """
        self._check_registered(objective, version)
        with self._home.lock(f"registry-{objective}"):
            old = self.champion(objective)
            if old is not None and old != version:
                self._client.set_registered_model_alias(objective, PREVIOUS, old)
            by, at = _who(), datetime.now(UTC).replace(microsecond=0)
            self._remember(objective, Promotion(at, version, old, by, reason))
            for key, value in _promotion_tags(reason, at, by).items():
                self._client.set_model_version_tag(objective, version, key, value)
            self._client.set_registered_model_alias(objective, CHAMPION, version)
            self._publish(objective, version)
            self._drop_shadow(objective)

    @plainly
    def put_in_shadow(self, objective: str, version: str) -> None:
        """Let the server score `version` beside the champion, in place of who was there before.

        Raises BundleError, and changes nothing, when the version is not registered.
        """
        self._check_registered(objective, version)
        with self._home.lock(f"registry-{objective}"):
            since = datetime.now(UTC).isoformat(timespec="seconds")
            self._client.set_model_version_tag(objective, version, _SHADOW_SINCE, since)
            self._fetched(objective, version)
            self._served(objective).point_to(version, SHADOW)
            self._client.set_registered_model_alias(objective, SHADOW, version)

    @plainly
    def shadow(self, objective: str) -> tuple[str, datetime] | None:
        """Version in the champion's shadow, and since when it is; None when there is none."""
        version = self._alias(objective, SHADOW)
        if version is None:
            return None
        tags = self._client.get_model_version(objective, version).tags
        return version, datetime.fromisoformat(tags[_SHADOW_SINCE])

    @plainly
    def end_shadow(self, objective: str) -> None:
        """Score nobody beside the champion any more."""
        with self._home.lock(f"registry-{objective}"):
            self._drop_shadow(objective)

    @plainly
    def put_to_the_test(self, objective: str, version: str) -> None:
        """Have the bundle of `version` beside the served ones, for the experiment that begins.

        Raises BundleError, and changes nothing, when the version is not registered.
        """
        self._check_registered(objective, version)
        with self._home.lock(f"registry-{objective}"):
            self._fetched(objective, version)
            if self._alias(objective, SHADOW) == version:
                self._drop_shadow(objective)
            self._client.set_registered_model_alias(objective, CHALLENGER, version)

    @plainly
    def end_challenge(self, objective: str) -> None:
        """Nobody is the challenger any more."""
        if self._alias(objective, CHALLENGER) is not None:
            self._client.delete_registered_model_alias(objective, CHALLENGER)

    def _drop_shadow(self, objective: str) -> None:
        if self._alias(objective, SHADOW) is not None:
            self._client.delete_registered_model_alias(objective, SHADOW)
        (self._home.served(objective) / SHADOW).unlink(missing_ok=True)

    @plainly
    def finish_promotion(self, objective: str) -> None:
        """Serve the champion, if a promotion was killed between the alias and the served folder."""
        champion = self.champion(objective)
        if champion is None:
            return
        run_id, served = self._run_id(objective, champion), self._served(objective)
        if not (served.live() == champion and served.holds(champion, run_id)):
            with self._home.lock(f"registry-{objective}"):
                self._publish(objective, champion)

    @plainly
    def fetch(self, objective: str, version: str) -> Path:
        """Copy the bundle of `version` to where it would be served from; returns that folder.

        Raises BundleError when the version is not registered.
        """
        self._check_registered(objective, version)
        with self._home.lock(f"registry-{objective}"):
            return self._fetched(objective, version)

    @plainly
    def rollback(self, objective: str, reason: str) -> str:
        """Make the previous champion live again; returns its version."""
        previous = self.previous(objective)
        self.promote(objective, previous, reason)
        return previous

    @plainly
    def previous(self, objective: str) -> str:
        """Version that a rollback goes back to. Raises BundleError when there is none."""
        previous = self._alias(objective, PREVIOUS)
        if previous is None or previous == self.champion(objective):
            raise BundleError(
                f"objective '{objective}' has no previous champion to go back to",
                hint=f"see what is registered with `tidemill models {objective}`",
            )
        return previous

    @plainly
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

    @plainly
    def promotions(self, objective: str) -> list[Promotion]:
        """Every promotion and rollback there was, oldest first."""
        if not self._known(objective):
            return []
        return read_promotions(self._client.get_registered_model(objective).tags)

    def challengers(self, objective: str, champion: str) -> int:
        """How many registered versions have been compared with the version `champion`."""
        return sum(found["tags"].get(RIVAL) == champion for found in self.versions(objective))

    @plainly
    def record_outcome(self, objective: str, outcome: TrainingOutcome) -> None:
        """Leave what came of a training where the operator looks for it."""
        reason = textwrap.shorten(outcome.reason, _REASON_LENGTH, placeholder=" …")
        experiment = self._tracking.experiment(objective)
        document = replace(outcome, reason=reason).to_json()
        self._client.set_experiment_tag(experiment, _OUTCOME, document)

    @plainly
    def outcome(self, objective: str) -> TrainingOutcome | None:
        """What came of the newest training; None when none has said so."""
        found = self._client.get_experiment_by_name(objective)
        document = None if found is None else found.tags.get(_OUTCOME)
        return None if document is None else TrainingOutcome.from_json(document)

    def _remember(self, objective: str, promotion: Promotion) -> None:
        """Before it is done, so that no change is without a record."""
        key, value = promotion_tag(self._client.get_registered_model(objective).tags, promotion)
        self._client.set_registered_model_tag(objective, key, value)

    def _check_registered(self, objective: str, version: str) -> None:
        known = [found["version"] for found in self.versions(objective)]
        if version not in known:
            raise BundleError(
                f"version {version} of '{objective}' is not registered; "
                f"registered: {', '.join(known) or 'none'}",
                hint=f"see them with `tidemill models {objective}`"
                if known
                else f"train it with `tidemill train {objective}`",
            )

    def _publish(self, objective: str, version: str) -> None:
        """Copy the bundle into the served folder and swap the `current` link in one step."""
        self._fetched(objective, version)
        # Serving pods mount this folder, so it must be there before them.
        self._home.predictions(objective).mkdir(parents=True, exist_ok=True)
        self._served(objective).point_to(version)

    def _fetched(self, objective: str, version: str) -> Path:
        """The bundle's folder beside the served one, filled when it is not there yet."""
        run_id = self._run_id(objective, version)

        def fill(draft: Path) -> None:
            self._tracking.download(self._files(objective, version), draft)

        return self._served(objective).keep(version, run_id, fill)

    def _served(self, objective: str) -> ServedFolder:
        return ServedFolder(self._home.served(objective))

    def _run_id(self, objective: str, version: str) -> str:
        return str(self._client.get_model_version(objective, version).run_id)

    def _files(self, objective: str, version: str) -> list[str]:
        """URIs of the model and what came with it."""
        model = f"{self._tracking.model_uri(objective, version)}/{MODEL_FILE}"
        return [model, *self._tracking.run_files(objective, version)]

    def _known(self, objective: str) -> bool:
        return bool(self._client.search_registered_models(f"name = '{objective}'"))

    def _alias(self, objective: str, alias: str) -> str | None:
        if not self._known(objective):
            return None
        version = self._client.get_registered_model(objective).aliases.get(alias)
        return None if version is None else str(version)


def _promotion_tags(reason: str, at: datetime, by: str) -> dict[str, str]:
    """Of the version: the last word on why it is live."""
    return {
        "tidemill.promoted": reason,
        "tidemill.promoted_at": at.isoformat(timespec="seconds"),
        "tidemill.promoted_by": by,
    }


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        user = str(os.getuid())
    return f"{user}@{gethostname()}"
