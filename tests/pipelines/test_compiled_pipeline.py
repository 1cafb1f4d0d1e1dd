"""What a cluster runs is the same pipeline, compiled.

After a wanted change, write the operator's copy anew:

    python -m tidemill_pipelines.compiled > platform/tidemill/operator/training.yaml
"""

from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

import tidemill.operator
from tidemill_pipelines.compiled import compile_training

REVIEWED = Path(tidemill.operator.__file__).with_name("training.yaml")
PURE = {"build-training-set", "train", "evaluate", "quality-gate", "promote"}


@pytest.fixture(scope="module")
def text():
    return compile_training()


@pytest.fixture(scope="module")
def pipeline(text):
    """The PipelineSpec."""
    return next(yaml.safe_load_all(text))


@pytest.fixture(scope="module")
def pods(text):
    """What the PlatformSpec says about each step's pod."""
    platform = list(yaml.safe_load_all(text))[1]
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): settings for name, settings in executors.items()}


@pytest.fixture(scope="module")
def steps(pipeline):
    """Every task that is a step, by name, also those inside the condition."""
    dags = [
        c["dag"]["tasks"]
        for c in [pipeline["root"], *pipeline["components"].values()]
        if "dag" in c
    ]
    executed = {n for n, c in pipeline["components"].items() if "executorLabel" in c}
    return {
        name: task
        for tasks in dags
        for name, task in tasks.items()
        if task["componentRef"]["name"] in executed
    }


def test_the_operators_copy_is_not_stale(text):
    """What is uploaded is what these components compile to; every change of it shows in a diff."""
    assert REVIEWED.read_text() == text


def test_kubeflows_schema_accepts_both_documents(text, pods):
    """Unknown or misspelled fields would fail to parse."""
    pipeline, platform = yaml.safe_load_all(text)
    spec = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
    assert spec.pipeline_info.name == "tidemill-training"
    json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    for settings in pods.values():
        message = kubernetes_executor_config_pb2.KubernetesExecutorConfig()
        json_format.ParseDict(settings, message)


def test_the_compilers_patch_release_does_not_matter(pipeline):
    """It would make another version of the pipeline out of the same one."""
    assert "sdkVersion" not in pipeline


def test_promotion_hangs_on_the_gate(pipeline):
    """It stands alone inside the condition, and the condition reads the gate's answer."""
    tasks = pipeline["root"]["dag"]["tasks"]
    (name,) = [name for name in tasks if "condition" in name or "quality-gate-" in name]
    trigger = tasks[name]["triggerPolicy"]["condition"]
    assert "quality-gate" in trigger
    assert trigger.endswith("== true")
    inside = pipeline["components"][tasks[name]["componentRef"]["name"]]["dag"]["tasks"]
    assert list(inside) == ["promote"]


def test_nothing_is_answered_from_a_cache(steps):
    """The log grows between runs, so an old answer to the same parameters is a wrong one."""
    assert set(steps) == {"validate", "register", *PURE}
    cached = {n for n, task in steps.items() if task.get("cachingOptions", {}).get("enableCache")}
    assert cached == set()


def test_only_steps_without_lasting_effects_are_tried_again(steps):
    """A second register makes a second version; too little data stays too little."""
    assert {name for name, task in steps.items() if "retryPolicy" in task} == PURE


def test_nothing_is_installed_when_a_step_starts(pipeline):
    """The image holds the package, with the versions that were tested."""
    for executor in pipeline["deploymentSpec"]["executors"].values():
        assert "pip install" not in str(executor["container"]["command"])
        assert executor["container"]["image"] == "ghcr.io/tidemill/pipelines:0.1.0"


def test_every_step_says_how_much_it_needs_and_may_take(pipeline):
    """Namespaces with a quota refuse pods that do not."""
    for executor in pipeline["deploymentSpec"]["executors"].values():
        given = executor["container"]["resources"]
        for resource in ("Cpu", "Memory"):
            assert f"resource{resource}Request" in given
            assert f"resource{resource}Limit" in given


def test_every_pod_has_the_home_its_settings_and_labels(pods, steps):
    """One claim, one config map, one secret that may be missing."""
    assert set(pods) == set(steps)
    for settings in pods.values():
        (mount,) = settings["pvcMount"]
        assert (mount["constant"], mount["mountPath"]) == ("tidemill-home", "/tidemill")
        (read,), (secret,) = settings["configMapAsEnv"], settings["secretAsEnv"]
        assert read["configMapName"] == "tidemill-environment"
        assert (secret["secretName"], secret["optional"]) == ("tidemill-credentials", True)
        labels = settings["podMetadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "tidemill"
        assert labels["app.kubernetes.io/component"] == "training"


def test_a_recurring_run_names_only_the_objective(pipeline):
    """Without an instant it runs as of its own start."""
    parameters = pipeline["root"]["inputDefinitions"]["parameters"]
    required = {name for name, spec in parameters.items() if "defaultValue" not in spec}
    assert required == {"objective"}
    assert parameters["at"]["defaultValue"] == ""
    assert parameters["home"]["defaultValue"] == "/tidemill"
