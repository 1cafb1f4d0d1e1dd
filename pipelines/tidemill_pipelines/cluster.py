"""What a step needs to run as a pod: the shared home, its settings, room, and labels.

The local runner ignores all of it. The names are the chart's defaults; an installation's own
names replace them in the compiled pipeline (tidemill.operator.pipeline).
"""

from __future__ import annotations

from dataclasses import dataclass

from kfp import kubernetes
from kfp.dsl import PipelineTask

from tidemill.operator.pipeline import CONFIG_MAP, HOME_CLAIM, PULL_POLICY, SECRET

_HOME = "/tidemill"
_SETTINGS = ("TIDEMILL_HOME", "MLFLOW_TRACKING_URI", "TIDEMILL_ONLINE_STORE")
_CREDENTIALS = (
    "TIDEMILL_ONLINE_STORE_PASSWORD",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
)
_LABELS = {"app.kubernetes.io/part-of": "tidemill", "app.kubernetes.io/component": "training"}


@dataclass(frozen=True)
class Room:
    """CPU and memory of a step: what it is promised, and what it may take."""

    cpu: str
    cpu_limit: str
    memory: str
    memory_limit: str


# On a year of a retailer (2,469 households, 1.8 million events) the large steps peak at 1.7 GiB,
# the small ones at 0.7.
SMALL = Room(cpu="250m", cpu_limit="2", memory="1Gi", memory_limit="4Gi")
LARGE = Room(cpu="1", cpu_limit="4", memory="2Gi", memory_limit="8Gi")


def as_pod(task: PipelineTask, room: Room, *, repeatable: bool) -> None:
    """Prepare `task` for a cluster. A `repeatable` step is tried again when its pod is lost."""
    _give_room(task, room)
    kubernetes.mount_pvc(task, HOME_CLAIM, _HOME)
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, _same(_SETTINGS), optional=True)
    kubernetes.use_secret_as_env(task, SECRET, _same(_CREDENTIALS), optional=True)
    kubernetes.set_image_pull_policy(task, PULL_POLICY)
    for key, value in _LABELS.items():
        kubernetes.add_pod_label(task, key, value)
    # Threads that spin while they wait take the CPU from those that work.
    task.set_env_variable("OMP_WAIT_POLICY", "PASSIVE")
    # The log grows between runs, so an old answer to the same parameters is a wrong one.
    task.set_caching_options(False)
    if repeatable:
        task.set_retry(2, backoff_duration="30s", backoff_factor=2.0, backoff_max_duration="300s")


def _give_room(task: PipelineTask, room: Room) -> None:
    task.set_cpu_request(room.cpu).set_cpu_limit(room.cpu_limit)
    task.set_memory_request(room.memory).set_memory_limit(room.memory_limit)


def _same(names: tuple[str, ...]) -> dict[str, str]:
    """A variable is called like its key."""
    return {name: name for name in names}
