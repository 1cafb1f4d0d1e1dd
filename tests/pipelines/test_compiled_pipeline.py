"""What a cluster runs is the same pipeline, compiled.

After a wanted change, write the golden file anew:

    TIDEMILL_UPDATE_GOLDEN=1 python -m pytest tests/pipelines/test_compiled_pipeline.py
"""

import os
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.compiler import Compiler
from kfp.pipeline_spec import pipeline_spec_pb2

from tidemill_pipelines.pipeline import training

GOLDEN = Path(__file__).parent / "golden" / "training.yaml"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The intermediate representation, without the version of the compiler."""
    path = tmp_path_factory.mktemp("compiled") / "training.yaml"
    Compiler().compile(training, package_path=str(path))
    (spec,) = yaml.safe_load_all(path.read_text())
    del spec["sdkVersion"]
    return spec


def test_the_pipeline_is_the_one_reviewed(compiled):
    """Every change of it shows in the golden file."""
    if os.environ.get("TIDEMILL_UPDATE_GOLDEN"):
        GOLDEN.write_text(yaml.safe_dump(compiled))
    assert compiled == yaml.safe_load(GOLDEN.read_text())


def test_kubeflows_schema_accepts_it(compiled):
    """Unknown or misspelled fields would fail to parse."""
    spec = json_format.ParseDict(compiled, pipeline_spec_pb2.PipelineSpec())
    assert spec.pipeline_info.name == "tidemill-training"


def test_promotion_hangs_on_the_gate(compiled):
    """It stands alone inside the condition, and the condition reads the gate's answer."""
    tasks = compiled["root"]["dag"]["tasks"]
    (name,) = [name for name in tasks if "condition" in name or "quality-gate-" in name]
    trigger = tasks[name]["triggerPolicy"]["condition"]
    assert "quality-gate" in trigger
    assert trigger.endswith("== true")
    inside = compiled["components"][tasks[name]["componentRef"]["name"]]["dag"]["tasks"]
    assert list(inside) == ["promote"]


def test_nothing_is_answered_from_a_cache(compiled):
    """The log grows between runs, so an old answer to the same parameters is a wrong one."""
    dags = [
        found["dag"]["tasks"]
        for found in [compiled["root"], *compiled["components"].values()]
        if "dag" in found
    ]
    steps = [(name, task) for tasks in dags for name, task in tasks.items()]
    assert {"validate", "train", "promote"} <= {name for name, _ in steps}
    assert [name for name, task in steps if task.get("cachingOptions", {}).get("enableCache")] == []


def test_nothing_is_installed_when_a_step_starts(compiled):
    """The image holds the package, with the versions that were tested."""
    for executor in compiled["deploymentSpec"]["executors"].values():
        assert "pip install" not in str(executor["container"]["command"])
        assert executor["container"]["image"].startswith("ghcr.io/tidemill/")


def test_home_and_reason_have_defaults(compiled):
    """A recurring run names only the objective and the instant."""
    parameters = compiled["root"]["inputDefinitions"]["parameters"]
    required = {name for name, spec in parameters.items() if "defaultValue" not in spec}
    assert required == {"objective", "at"}
