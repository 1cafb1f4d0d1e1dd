"""Calls to Kubeflow Pipelines' v2beta1 API: time limits, tokens, pages, and errors in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidemill.errors import TidemillError
from tidemill.operator.outage import Outage

_TIMEOUT_SECONDS = 10
_PAGE = 100
_HINTS = {
    0: "check `kubeflow.endpoint`, the Service it names, and the network policies on the way",
    401: "check `kubeflow.tokenPath`: the token's audience must be pipelines.kubeflow.org",
    403: "give the operator's service account a role over pipelines, experiments, runs and jobs "
    "of pipelines.kubeflow.org in this namespace",
    404: "check that `kubeflow.endpoint` is the API server (ml-pipeline), 2.0 or newer",
}
_LOOK_AT_THE_LOG = "see the log of Deployment ml-pipeline"


class KubeflowError(TidemillError):
    """Kubeflow Pipelines refused a call or was not reached; `status` is the HTTP status or 0."""

    def __init__(self, message: str, hint: str | None = None, status: int = 0) -> None:
        super().__init__(message, hint)
        self.status = status


class KubeflowApi:
    """The generated client, one attribute per service; safe to share between threads."""

    def __init__(self, endpoint: str, token_path: str) -> None:
        import kfp_server_api as api  # half a CPU second to import

        self.endpoint = endpoint.rstrip("/")
        self._outage = Outage()
        self.types = api
        configuration = api.Configuration(host=self.endpoint)
        configuration.retries = 0  # the caller comes again anyway
        if token_path:
            _authenticate(configuration, Path(token_path))
        client = api.ApiClient(configuration)
        self.pipelines = api.PipelineServiceApi(client)
        self.uploads = api.PipelineUploadServiceApi(client)
        self.experiments = api.ExperimentServiceApi(client)
        self.runs = api.RunServiceApi(client)
        self.schedules = api.RecurringRunServiceApi(client)

    def call(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """What `method` of a service answers. Raises KubeflowError."""
        from urllib3.exceptions import HTTPError

        self._outage.check()
        try:
            return method(*args, _request_timeout=_TIMEOUT_SECONDS, **options)
        except self.types.ApiException as error:
            raise self._refused(method, error) from error
        except (HTTPError, OSError) as error:
            away = self._not_reached(method, error)
            self._outage.note(away)
            raise away from error

    def entries(self, method: Callable[..., Any], field: str, **options: Any) -> list[Any]:
        """The entries of all pages."""
        found: list[Any] = []
        token = ""
        while True:
            page = self.call(method, page_size=_PAGE, page_token=token, **options)
            found += getattr(page, field) or []
            token = page.next_page_token
            if not token:
                return found

    def find(self, method: Callable[..., Any], field: str, name: str, **options: Any) -> Any | None:
        """The entry of that display name, the first listed if there are several."""
        listed = self.entries(method, field, filter=_where_name("EQUALS", name), **options)
        # The API's comparison ignores case.
        return next((entry for entry in listed if entry.display_name == name), None)

    def starting_with(
        self, method: Callable[..., Any], field: str, prefix: str, **options: Any
    ) -> list[Any]:
        """The entries whose display names begin with `prefix`."""
        listed = self.entries(method, field, filter=_where_name("IS_SUBSTRING", prefix), **options)
        return [entry for entry in listed if entry.display_name.startswith(prefix)]

    def identified(self, entry: Any, key: str) -> Any:
        """The entry itself. Raises KubeflowError if it has no id: then no Kubeflow answered."""
        if not getattr(entry, key, None):
            raise KubeflowError(
                f"{self.endpoint} answered without a {key}: this is not Kubeflow Pipelines",
                hint=_HINTS[404],
            )
        return entry

    def _refused(self, method: Callable[..., Any], error: Any) -> KubeflowError:
        status = int(error.status or 0)
        return KubeflowError(
            f"Kubeflow Pipelines at {self.endpoint} answered {status} to "
            f"'{_words(method)}': {_server_message(error)}",
            hint=_HINTS.get(status, _LOOK_AT_THE_LOG),
            status=status,
        )

    def _not_reached(self, method: Callable[..., Any], error: Exception) -> KubeflowError:
        no_token = isinstance(error, FileNotFoundError | PermissionError)
        return KubeflowError(
            f"Kubeflow Pipelines at {self.endpoint} was not reached to '{_words(method)}': {error}",
            hint=_HINTS[401 if no_token else 0],
        )


def _where_name(operation: str, name: str) -> str:
    predicate = {"operation": operation, "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [predicate]})


def _authenticate(configuration: Any, token_path: Path) -> None:
    def read_token(current: Any) -> None:
        # Projected tokens rotate, so every call reads the file.
        current.api_key["authorization"] = token_path.read_text().strip()

    configuration.api_key["authorization"] = ""
    configuration.api_key_prefix["authorization"] = "Bearer"
    configuration.refresh_api_key_hook = read_token


def _words(method: Callable[..., Any]) -> str:
    """`list runs` for run_service_list_runs."""
    return method.__name__.split("_service_")[-1].replace("_", " ")


def _server_message(error: Any) -> str:
    """The sentence in the body: gateways say `message`, uploads say `error_message`."""
    try:
        body = json.loads(error.body)
        return str(body.get("message") or body.get("error_message") or body.get("error"))
    except (TypeError, ValueError, AttributeError):
        return str(error.body or error.reason)[:300]
