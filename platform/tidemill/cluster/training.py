"""Asking a cluster's operator for a training run, and waiting for what comes of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from tidemill.cluster.api import KubernetesApi
from tidemill.cluster.objectives import ClusterObjective, read_objective, read_predicting
from tidemill.cluster.resources import TRAIN_ANNOTATION
from tidemill.errors import ClusterError
from tidemill.objective.status import TrainingStatus

_SECONDS_BETWEEN_LOOKS = 2.0


def request_training(api: KubernetesApi, name: str) -> str:
    """Ask for a run now; returns the token that its status will carry."""
    read_predicting(api, name)
    token = uuid.uuid4().hex
    api.patch("Objective", name, {"metadata": {"annotations": {TRAIN_ANNOTATION: token}}})
    return token


def await_training(
    api: KubernetesApi,
    name: str,
    token: str,
    say: Callable[[str], None],
    seconds_between_looks: float = _SECONDS_BETWEEN_LOOKS,
) -> TrainingStatus:
    """The training status once the run asked for with `token` has ended.

    `say` gets a line whenever there is news. A cluster that is away for a while is waited for.
    """
    told = ""
    while True:
        try:
            found = read_objective(api, name)
        except ClusterError as error:
            if error.status is not None and error.status < 500:
                raise
            news = error.message
        else:
            training = found.status.training
            if training.request == token and training.result:
                return training
            news = _news(found, token)
        if news != told:
            say(news)
        told = news
        time.sleep(seconds_between_looks)


def _news(found: ClusterObjective, token: str) -> str:
    """What keeps it from being done."""
    training = found.status.training
    if training.request == token:
        return f"run {training.name} is {training.state.lower() or 'queued'}"
    if training.run and not training.result:
        return f"run {training.name} has to end first; it is {training.state.lower() or 'queued'}"
    compiled = next((each for each in found.status.conditions if each.type == "Compiled"), None)
    if compiled is not None and compiled.status != "True":
        return f"no run can start: {compiled.message or compiled.reason}"
    return "waiting for the operator to start the run"
