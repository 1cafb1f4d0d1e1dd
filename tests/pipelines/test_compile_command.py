"""`tidemill compile`: the pipeline as a file, with the names of an installation."""

import pytest
import typer
import yaml
from typer.testing import CliRunner

from tidemill_pipelines.cli import register


@pytest.fixture
def compiled(tmp_path):
    """`compiled("--kubernetes")`: the documents that the command writes."""
    app = typer.Typer()
    register(app)

    def run(*options):
        out = tmp_path / "training.yaml"
        result = CliRunner().invoke(app, ["compile", str(out), *options])
        assert result.exit_code == 0, result.output
        return list(yaml.safe_load_all(out.read_text()))

    return run


def test_a_plain_file_is_what_kubeflows_ui_takes(compiled):
    """PipelineSpec and PlatformSpec."""
    pipeline, platform = compiled("--image", "local/pipelines:dev", "--home-claim", "shop-home")
    assert pipeline["pipelineInfo"]["name"] == "tidemill-training"
    assert "local/pipelines:dev" in str(pipeline)
    assert "shop-home" in str(platform)


def test_resources_for_gitops_are_named_as_the_operator_names_them(compiled):
    """It finds them, and uploads nothing."""
    pipeline, version = compiled("--kubernetes", "--namespace", "shop", "--image", "x")
    assert (pipeline["kind"], version["kind"]) == ("Pipeline", "PipelineVersion")
    assert pipeline["metadata"] == {"name": "tidemill-training-shop", "namespace": "shop"}
    assert version["metadata"]["name"].startswith("v-")
    assert version["spec"]["pipelineName"] == "tidemill-training-shop"
