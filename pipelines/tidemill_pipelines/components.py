"""The steps as Kubeflow components: artifacts and parameters around plain functions.

No `from __future__ import annotations` here: kfp reads the annotations themselves.
"""

from functools import partial

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from tidemill.operator.pipeline import IMAGE

# The image holds the package: nothing is installed when a step starts.
component = partial(dsl.component, base_image=IMAGE, install_kfp_package=False)


@component
def validate(
    home: str, objective: str, at: str, readiness: Output[Artifact], metrics: Output[Metrics]
) -> None:
    from tidemill_pipelines import steps
    from tidemill_pipelines.reporting import reported

    with reported(home, objective):
        for name, value in steps.validate(home, objective, at, readiness.path).items():
            metrics.log_metric(name, value)


@component
def build_training_set(
    home: str, objective: str, readiness: Input[Artifact], dataset: Output[Dataset]
) -> None:
    from tidemill_pipelines import steps
    from tidemill_pipelines.reporting import reported

    with reported(home, objective):
        dataset.metadata.update(
            steps.build_training_set(home, objective, readiness.path, dataset.path)
        )


@component
def train(
    home: str,
    objective: str,
    dataset: Input[Dataset],
    model: Output[Model],
    metrics: Output[Metrics],
) -> None:
    from tidemill_pipelines import steps
    from tidemill_pipelines.reporting import reported

    with reported(home, objective):
        for name, value in steps.train(objective, dataset.path, model.path).items():
            metrics.log_metric(name, value)


@component
def evaluate(
    home: str,
    objective: str,
    dataset: Input[Dataset],
    model: Input[Model],
    evaluation: Output[Artifact],
    metrics: Output[Metrics],
) -> None:
    from tidemill_pipelines import steps
    from tidemill_pipelines.reporting import reported

    with reported(home, objective):
        measured = steps.evaluate(home, objective, dataset.path, model.path, evaluation.path)
        for name, value in measured.items():
            metrics.log_metric(name, value)


@component
def register(
    home: str,
    objective: str,
    reason: str,
    dataset: Input[Dataset],
    model: Input[Model],
    evaluation: Input[Artifact],
) -> str:
    from tidemill_pipelines import steps
    from tidemill_pipelines.reporting import reported

    with reported(home, objective):
        return steps.register(home, objective, dataset.path, model.path, evaluation.path, reason)


@component
def quality_gate(home: str, objective: str, version: str, evaluation: Input[Artifact]) -> bool:
    from tidemill_pipelines import steps
    from tidemill_pipelines.reporting import reported

    with reported(home, objective):
        return steps.gate(home, objective, version, evaluation.path)


@component
def promote(
    home: str,
    objective: str,
    version: str,
    readiness: Input[Artifact],
    evaluation: Input[Artifact],
) -> None:
    from tidemill_pipelines import steps
    from tidemill_pipelines.reporting import reported

    with reported(home, objective):
        steps.promote(home, objective, version, readiness.path, evaluation.path)
