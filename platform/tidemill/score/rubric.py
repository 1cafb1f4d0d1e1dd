"""The 28 tests of the ML Test Score (Breck, Cai, Nielsen, Salib & Sculley 2017, IEEE Big Data),
and what Tidemill can find out about each by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tidemill.score import data_checks as data
from tidemill.score import infrastructure_checks as infrastructure
from tidemill.score import model_checks as model
from tidemill.score import monitoring_checks as monitoring
from tidemill.score.facts import ScoreFacts
from tidemill.score.findings import Finding

Check = Callable[[ScoreFacts], Finding]


class Section(StrEnum):
    """The four parts whose sums are compared."""

    DATA = "data"
    MODEL = "model"
    INFRASTRUCTURE = "infrastructure"
    MONITORING = "monitoring"


@dataclass(frozen=True)
class Test:
    """One test of the rubric."""

    name: str
    """What `--confirm` calls it."""
    section: Section
    statement: str
    check: Check | None = None
    """None where only a person can tell."""


def _tests(section: Section, *rows: tuple[str, str, Check | None]) -> tuple[Test, ...]:
    return tuple(Test(name, section, statement, check) for name, statement, check in rows)


RUBRIC = (
    *_tests(
        Section.DATA,
        ("feature-expectations", "a schema holds what is expected of features",
         data.feature_expectations),
        ("features-beneficial", "all features are beneficial", data.features_beneficial),
        ("feature-cost", "no feature costs too much", None),
        ("feature-requirements", "features keep to the requirements set for all of them", None),
        ("privacy", "the data pipeline has privacy controls", None),
        ("new-features", "new features can be added quickly", None),
        ("feature-code", "all code of input features is tested", None),
    ),
    *_tests(
        Section.MODEL,
        ("specification-reviewed", "the model's specification is reviewed and checked in", None),
        ("offline-online", "offline metrics go with what counts online",
         model.offline_metrics_hold),
        ("hyperparameters", "all hyperparameters were tuned", model.hyperparameters_tuned),
        ("staleness-impact", "it is known what staleness costs", model.staleness_known),
        ("simpler-model", "a simpler model is not better", model.simpler_is_not_better),
        ("slices", "quality suffices on all important slices", model.slices_sufficient),
        ("inclusion", "the model was tested for considerations of inclusion", None),
    ),
    *_tests(
        Section.INFRASTRUCTURE,
        ("reproducible", "training is reproducible", None),
        ("model-code", "the model's code is unit tested", None),
        ("pipeline", "the whole pipeline is integration tested",
         infrastructure.pipeline_integrated),
        ("quality-gate", "quality is validated before serving",
         infrastructure.quality_before_serving),
        ("single-example", "one example can be followed step by step",
         infrastructure.single_examples),
        ("canary", "models are tried by a canary before production", infrastructure.canary),
        ("rollback", "a rollback is quick and safe", infrastructure.rollback),
    ),
    *_tests(
        Section.MONITORING,
        ("dependency-changes", "changes of dependencies are notified",
         monitoring.dependency_changes),
        ("data-invariants", "invariants hold for training and serving inputs",
         monitoring.data_invariants),
        ("skew", "training and serving features are the same", monitoring.training_serving_skew),
        ("staleness", "models are not too stale", monitoring.not_stale),
        ("numerical-stability", "the model is numerically stable", monitoring.numerically_stable),
        ("computing-performance", "speed, latency, throughput and memory have not regressed", None),
        ("prediction-quality", "quality of served predictions has not regressed",
         monitoring.prediction_quality),
    ),
)  # fmt: skip

TESTS = {test.name: test for test in RUBRIC}
