"""The chart, rendered by real Helms."""

from __future__ import annotations

import runpy
import subprocess
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "tidemill"
MAJORS = (3, 4)
WITH_KSERVE = ("--api-versions", "serving.kserve.io/v1alpha1/ClusterServingRuntime")
WITH_PROMETHEUS = ("--api-versions", "monitoring.coreos.com/v1")
_POD_TEMPLATES = {"Deployment", "StatefulSet", "Job"}


class Chart:
    """Renders, and finds things in what was rendered."""

    folder = CHART
    majors = MAJORS
    examples = ("default", "minimal", "production")

    def __init__(self) -> None:
        self._helm = runpy.run_path(str(ROOT / "tools" / "helm.py"))["helm"]

    def run(self, major: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Helm's answer, whatever it is."""
        command = [str(self._helm(major)), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    @lru_cache  # noqa: B019 - one chart a session
    def render(
        self, values: str = "default", *options: str, major: int = 4, bare: bool = False
    ) -> Sequence[dict[str, Any]]:
        """Every object of `ci/<values>-values.yaml`; `bare` is a cluster with nothing installed."""
        cluster = () if bare else (*WITH_KSERVE, *WITH_PROMETHEUS)
        file = str(CHART / "ci" / f"{values}-values.yaml")
        place = ("template", "tidemill", str(CHART), "--namespace", "tidemill", "--values", file)
        found = self.run(major, *place, *cluster, *options)
        assert found.returncode == 0, found.stderr
        return [document for document in yaml.safe_load_all(found.stdout) if document]

    def refusal(self, *options: str, major: int = 4) -> str:
        """What Helm says about values that it does not take."""
        found = self.run(major, "template", "tidemill", str(CHART), *options)
        assert found.returncode != 0, "these values were taken"
        return found.stderr

    def one(self, kind: str, name: str, *arguments: Any, **keywords: Any) -> dict[str, Any]:
        """The object of that kind whose name begins with `tidemill-<name>`."""
        objects = self.render(*arguments, **keywords)
        names = [found for found in objects if found["kind"] == kind]
        (match,) = [f for f in names if f["metadata"]["name"].startswith(f"tidemill-{name}")]
        return match

    def pods(self, *arguments: Any, **keywords: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """(name, pod) of every pod that the objects lead to, as pods with metadata and spec.

        That of the runtime is as KServe makes it, with the labels and volumes of the runtime.
        """
        for found in self.render(*arguments, **keywords):
            kind, spec = found["kind"], found.get("spec", {})
            name = f"{kind}/{found['metadata']['name']}"
            if kind == "Pod":
                yield name, found
            elif kind == "CronJob":
                yield name, spec["jobTemplate"]["spec"]["template"]
            elif kind in _POD_TEMPLATES:
                yield name, spec["template"]
            elif kind == "ClusterServingRuntime":
                yield name, {"metadata": {"labels": spec["labels"]}, "spec": _pod_part(spec)}


def _pod_part(runtime: dict[str, Any]) -> dict[str, Any]:
    keys = ("containers", "volumes", "nodeSelector", "tolerations", "imagePullSecrets")
    return {key: runtime[key] for key in keys if key in runtime}


@pytest.fixture(scope="session")
def chart() -> Chart:
    return Chart()
