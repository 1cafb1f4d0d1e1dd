"""The one training pipeline, for the local runner and for Kubeflow Pipelines."""

from kfp import dsl

from tidemill_pipelines import components

NAME = "tidemill-training"


@dsl.pipeline(  # type: ignore[untyped-decorator]  # kfp ships no types
    name=NAME,
    display_name="Tidemill training",
    description="From events to a gated, registered model: validate, build the training set, "
    "train, evaluate, register, and promote if the gate agrees.",
)
def training(objective: str, at: str, home: str = "/tidemill", reason: str = "scheduled") -> None:
    """`objective` is the objective's JSON, `at` an ISO 8601 instant, `home` the state folder."""
    checked = components.validate(home=home, objective=objective, at=at)
    built = components.build_training_set(
        home=home, objective=objective, readiness=checked.outputs["readiness"]
    )
    dataset = built.outputs["dataset"]
    fitted = components.train(objective=objective, dataset=dataset)
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
    passed = components.quality_gate(evaluation=evaluation)
    # The log grows between runs, so an old answer to the same parameters is a wrong one.
    for task in (checked, built, fitted, judged, registered, passed):
        task.set_caching_options(False)
    with dsl.If(passed.output == True, name="quality-gate"):  # noqa: E712  # a KFP condition
        components.promote(
            home=home,
            objective=objective,
            at=at,
            version=registered.output,
            evaluation=evaluation,
        ).set_caching_options(False)
