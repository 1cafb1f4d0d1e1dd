"""The one training pipeline, for the local runner and for Kubeflow Pipelines."""

from kfp import dsl

from tidemill_pipelines import components
from tidemill_pipelines.cluster import LARGE, SMALL, as_pod

NAME = "tidemill-training"


@dsl.pipeline(  # type: ignore[untyped-decorator]  # kfp ships no types
    name=NAME,
    display_name="Tidemill training",
    description="From events to a gated, registered model: validate, build the training set, "
    "train, evaluate, register, and promote if the gate agrees.",
)
def training(
    objective: str, at: str = "", home: str = "/tidemill", reason: str = "scheduled"
) -> None:
    """`objective` is the objective's JSON, `at` an ISO 8601 instant (empty for now), `home` the
    state folder."""
    checked = components.validate(home=home, objective=objective, at=at)
    readiness = checked.outputs["readiness"]
    built = components.build_training_set(home=home, objective=objective, readiness=readiness)
    dataset = built.outputs["dataset"]
    fitted = components.train(home=home, objective=objective, dataset=dataset)
    model = fitted.outputs["model"]
    judged = components.evaluate(home=home, objective=objective, dataset=dataset, model=model)
    evaluation = judged.outputs["evaluation"]
    registered = components.register(
        home=home,
        objective=objective,
        reason=reason,
        dataset=dataset,
        model=model,
        evaluation=evaluation,
    )
    version = registered.output
    passed = components.quality_gate(
        home=home, objective=objective, version=version, evaluation=evaluation
    )
    with dsl.If(passed.output == True, name="quality-gate"):  # noqa: E712  # a KFP condition
        promoted = components.promote(
            home=home,
            objective=objective,
            version=version,
            readiness=readiness,
            evaluation=evaluation,
        )
    # Too little data is no better a minute later, and a second register makes a second version.
    as_pod(checked, SMALL, repeatable=False)
    as_pod(built, LARGE, repeatable=True)
    as_pod(fitted, LARGE, repeatable=True)
    as_pod(judged, SMALL, repeatable=True)
    as_pod(registered, SMALL, repeatable=False)
    as_pod(passed, SMALL, repeatable=True)
    as_pod(promoted, LARGE, repeatable=True)
