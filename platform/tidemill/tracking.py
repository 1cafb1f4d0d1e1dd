"""Which MLflow keeps runs and models, and how it is spoken to.

The home's own database, or the server that MLFLOW_TRACKING_URI names. MLflow itself reads the
server's credentials from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from tidemill.errors import BundleError
from tidemill.home import Home

_P = ParamSpec("_P")
_T = TypeVar("_T")

# MLflow's own would wait for minutes, draw progress bars into logs, tell of each migration of a
# new database, and report its use to others.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


def was_used(home: Home) -> bool:
    """Whether there may be runs and models; asking an MLflow that never was would make one."""
    return home.mlflow_database.exists() or bool(_server())


def _server() -> str:
    """Address of the server; "" without one. MLflow leaves the path of a database here too."""
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    return address if address.startswith(("http://", "https://")) else ""


class Tracking:
    """One MLflow. The client and the address are passed explicitly, never global."""

    def __init__(self, home: Home) -> None:
        """Raises BundleError when the server cannot be reached or refuses."""
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient  # 2 CPU seconds to import

        self._home = home
        server = _server()
        self.has_server = bool(server)
        self.uri = server or f"sqlite:///{home.mlflow_database}"
        with in_words(self.uri), self._alone():
            self.client = MlflowClient(self.uri, registry_uri=self.uri)
            self.client.search_experiments(max_results=1)

    def experiment(self, name: str) -> str:
        """Id of the experiment, made when there is none; two processes may ask at once."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        # A server decides by itself where its artifacts are.
        local = None if self.has_server else (self._home.mlflow_artifacts / name).as_uri()
        try:
            return str(self.client.create_experiment(name, artifact_location=local))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return str(self.client.get_experiment_by_name(name).experiment_id)

    def model_uri(self, name: str, version: str) -> str:
        """Where the files of a registered model are."""
        uri = str(self.client.get_model_version_download_uri(name, version))
        if uri.startswith("models:/"):
            logged = self.client.get_logged_model(uri.removeprefix("models:/"))
            uri = str(logged.artifact_location)
        return uri

    def run_files(self, name: str, version: str) -> list[str]:
        """Where each file of the run that made a registered model is."""
        run_id = self.client.get_model_version(name, version).run_id
        folder = self.client.get_run(run_id).info.artifact_uri
        found = self.client.list_artifacts(run_id)
        return [f"{folder}/{each.path}" for each in found if not each.is_dir]

    def download(self, uris: Iterable[str], folder: Path) -> None:
        """Copy single files into `folder`."""
        from mlflow.artifacts import download_artifacts

        for uri in uris:
            download_artifacts(artifact_uri=uri, dst_path=str(folder), tracking_uri=self.uri)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two processes that open a new database at once leave it broken for good."""
        if self.has_server:
            yield
            return
        self._home.root.mkdir(parents=True, exist_ok=True)
        with self._home.lock("mlflow"):
            yield


@contextmanager
def in_words(uri: str) -> Iterator[None]:
    """Turn what MLflow raises into a BundleError that names the server and the fix."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        address = urlsplit(uri)
        shown = address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()
        said = str(error).strip().partition("\n")[0]
        if "failed with exception" in said or "timeout exception" in said:
            raise BundleError(
                f"MLflow at {shown} cannot be reached",
                hint="start it, or correct MLFLOW_TRACKING_URI; its answer may take "
                f"{os.environ['MLFLOW_HTTP_REQUEST_TIMEOUT']} s (MLFLOW_HTTP_REQUEST_TIMEOUT)",
            ) from error
        raise BundleError(
            f"MLflow at {shown} refused: {said}",
            hint="check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and its log",
        ) from error


def plainly(method: Callable[_P, _T]) -> Callable[_P, _T]:
    """A method of an object with `tracking_uri`, its MLflow faults in words."""

    @wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with in_words(args[0].tracking_uri):  # type: ignore[attr-defined]  # a ParamSpec has no self
            return method(*args, **kwargs)

    return call
