"""The operator's configuration is read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.errors import OperatorError
from tidemill.operator.settings import load_settings

MINIMAL = """
namespace: tidemill
name: tidemill
runtime: tidemill-tidemill
homeClaim: tidemill-home
environment: {configMap: tidemill-environment}
mlflow: http://mlflow:5000
kubeflow: {endpoint: "http://ml-pipeline:8888"}
pipeline: {image: "pipelines:1"}
serving: {serviceAccount: serving}
monitoring: {image: "monitoring:1", serviceAccount: monitoring}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "operator.yaml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    """Only names and addresses must be given."""
    settings = load_settings(written(tmp_path, MINIMAL))
    assert settings.serving.deploymentMode == "Auto"
    assert settings.serving.canary.percent == 10


def test_every_wrong_key_is_named(tmp_path: Path) -> None:
    """Unknown ones too."""
    text = MINIMAL + "prometeus: x\nresyncSeconds: 0\n"
    with pytest.raises(OperatorError, match=r"prometeus: Extra.*|resyncSeconds"):
        load_settings(written(tmp_path, text))


def test_a_missing_file_is_an_error_with_a_place(tmp_path: Path) -> None:
    """The chart mounts it."""
    with pytest.raises(OperatorError, match="no configuration at"):
        load_settings(tmp_path / "none.yaml")


def test_yaml_that_is_none_is_an_error(tmp_path: Path) -> None:
    """With the parser's own words."""
    with pytest.raises(OperatorError, match="not valid YAML"):
        load_settings(written(tmp_path, "a: [b"))
