"""What an objective is: the one schema behind the YAML files, the docs and the CRD.

All lengths of time are timedeltas in Python and texts like '28d' in files.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Self, cast, get_args

from pydantic import ConfigDict, Field, model_validator

from tidemill.errors import ObjectiveError
from tidemill.objective.alerting import Alert
from tidemill.objective.block import Block
from tidemill.objective.cel import rules
from tidemill.objective.duration import Duration, format_duration
from tidemill.objective.experimenting import DeclaredExperiment
from tidemill.objective.fields import Property
from tidemill.objective.kubernetes_metadata import (
    NAME_PATTERN,
    NOT_A_NAME,
    Annotations,
    Labels,
    Name,
)
from tidemill.objective.notifying import Receivers
from tidemill.objective.numbers import Whole
from tidemill.objective.recommending import EventName, NextBestOffer, Recommendation
from tidemill.objective.schedule import Schedule
from tidemill.objective.segmenting import Segmentation
from tidemill.objective.valuing import LifetimeValue
from tidemill.objective.where import Where

API_VERSION = "tidemill.dev/v1alpha1"
Index = Literal["exact", "approximate"]
Type = Literal[
    "propensity",
    "churn",
    "recommendation",
    "next_best_offer",
    "lifetime_value",
    "segmentation",
    "alert",
]
_TYPES: tuple[str, ...] = get_args(Type)
_LATER_TYPES = ("lifetime_value", "segmentation", "alert")
"""Types that came when there were models already, whose objectives must keep their hashes."""
_ONE_TYPE = f"exactly one of {', '.join(_TYPES)} must be given"
_NOTHING_SERVED = "an alert serves nothing, so it has no experiment"
_NOTHING_COMPARED = "segments describe users and decide nothing, so they have no experiment"
_NOTHING_CHOSEN = "a bandit allocates recommendations and offers alone"


@dataclass(frozen=True)
class Target:
    """What counts as a positive, whatever the objective's type."""

    event: str | None
    """None stands for any event."""
    where: dict[str, str]
    within: timedelta
    absent: bool
    """True when the positive is that no such event happens."""

    def __str__(self) -> str:
        event = self.event or "any event"
        conditions = "".join(f" with {key} = {value}" for key, value in self.where.items())
        verb = "no " if self.absent else ""
        return f"{verb}{event}{conditions} within {format_duration(self.within)}"


class Metadata(Block):
    """How the objective is called."""

    name: Name
    """Lower-case letters, digits and '-'. The registered model and the endpoint carry it too."""
    namespace: Name | None = None
    """On Kubernetes, where the objective lives; ignored on one machine."""
    labels: Labels = Field(default={})
    """On Kubernetes, what it is selected by; ignored on one machine."""
    annotations: Annotations = Field(default={})
    """On Kubernetes, notes of people and tools; ignored on one machine."""


class Propensity(Block):
    """The probability that a user does something within the horizon."""

    event: EventName
    """Name of the event that counts as success."""
    where: Where = Field(default={})
    """Conditions the event must meet, compared as text: `property.<name>` for its properties,
    `item.<name>` for the attributes of its item. All must hold."""
    within: Duration
    """The horizon: how far after the cutoff the event is looked for."""


class Churn(Block):
    """The probability that a user does not do something within the horizon."""

    event: EventName | None = None
    """Name of the event whose absence is churn; any event if left out."""
    where: Where = Field(default={})
    """Conditions the event must meet to count as activity, as in `propensity.where`."""
    within: Duration
    """The horizon: how long the user has to stay away."""


class Population(Block):
    """Who is predicted for."""

    active_within: Duration = timedelta(days=90)
    """Users with at least one event in this time before the cutoff."""


class Training(Block):
    """How the model is trained."""

    cutoffs: Whole = Field(default=8, ge=1, le=1000)
    """How many training cutoffs at most, the latest first. The history may hold fewer."""
    every: Duration | None = None
    """Distance between training cutoffs. Default: the horizon; half a window for values."""
    seed: Whole = Field(default=0, ge=0, le=2**32 - 1)
    """Seed of everything random."""
    minimum_positives: Whole = Field(default=50, ge=1, le=1_000_000_000)
    """Training is refused with fewer positive outcomes than this."""
    schedule: Schedule | None = None
    """When to retrain on Kubernetes, as a cron schedule in UTC; never by the clock if left out."""


class Replicas(Block):
    """Bounds of the autoscaler."""

    model_config = ConfigDict(
        json_schema_extra=rules(("self.min <= self.max", "min is greater than max"))
    )

    min: Whole = Field(default=1, ge=0, le=10_000)
    """Fewest server processes; 0 lets an idle endpoint scale to nothing."""
    max: Whole = Field(default=10, ge=1, le=10_000)
    """Most server processes."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is greater than max ({self.max})")
        return self


class Serving(Block):
    """How predictions are served."""

    replicas: Replicas = Replicas()
    """How many servers run on Kubernetes."""
    index: Index = "exact"
    """How the best of many items are found: by looking at every one (`exact`), or in an index
    (`approximate`), many times as fast from some hundred thousand items on, at the price of a few
    in a hundred. Filters and exclusions hold either way. For recommendations only."""
    shadow: Duration | None = None
    """How long a challenger that passed the gate is scored beside the live model, on the same
    questions and without being heard, before it may take its place; not at all if left out. For
    objectives that predict a probability."""


class Retrain(Block):
    """What may happen when monitoring finds a decayed model."""

    cooldown: Duration = timedelta(hours=24)
    """No retraining sooner than this after the last one."""
    margin: float = Field(default=0, ge=0, le=0.5)
    """The smallest gain that counts: a challenger goes live only if it is better than the live
    model by more than this beyond doubt, in AUC, or in NDCG where items are chosen."""
    guard: list[Property] = Field(default=[], max_length=8)
    """Properties of events, `property.<name>`. Their newest values cut the users into slices, none
    of which a challenger may serve worse than the live model."""


class Monitoring(Block):
    """How the running model is watched."""

    schedule: Schedule | None = None
    """When to check on Kubernetes, as a cron schedule in UTC."""
    retrain: Retrain = Retrain()
    """When a retraining may start."""
    notify: Receivers = Field(default=[])
    """Who is told when a verdict turns to watch or act, or clears."""


class Spec(Block):
    """The objective itself: exactly one of its types, and how to pursue it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"[{', '.join(f'has(self.{name})' for name in _TYPES)}].exists_one(given, given)",
                _ONE_TYPE,
            ),
            ("!has(self.experiment) || !has(self.alert)", _NOTHING_SERVED),
            ("!has(self.experiment) || !has(self.segmentation)", _NOTHING_COMPARED),
            (
                "!has(self.experiment) || !self.experiment.bandit || "
                "has(self.recommendation) || has(self.next_best_offer)",
                _NOTHING_CHOSEN,
            ),
        )
    )

    propensity: Propensity | None = None
    """Predict that a user does something."""
    churn: Churn | None = None
    """Predict that a user stops doing something."""
    recommendation: Recommendation | None = None
    """Choose the items a user will be interested in."""
    next_best_offer: NextBestOffer | None = None
    """Choose the offers that are worth most."""
    lifetime_value: LifetimeValue | None = None
    """Predict how often customers will buy, and for how much."""
    segmentation: Segmentation | None = None
    """Divide users into kinds, if there are such kinds. `serving.shadow` means nothing here, and
    `training.every` is how much older the data is in which they have to be found again."""
    alert: Alert | None = None
    """Watch a metric of an event. Nothing is trained or served; of what follows, only
    `monitoring.schedule` and `monitoring.notify` count."""
    population: Population = Population()
    """The users a prediction is made for."""
    training: Training = Training()
    """From how much history, and when."""
    serving: Serving = Serving()
    """On how many servers, and how."""
    experiment: DeclaredExperiment | None = None
    """How its effect is measured; not at all if left out. It begins with `tidemill experiment
    start`."""
    monitoring: Monitoring = Monitoring()
    """How often the running model is checked, and what follows."""

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        given = [name for name in _TYPES if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"{_ONE_TYPE}, found {found}")
        return self

    @model_validator(mode="after")
    def _check_experiment(self) -> Self:
        if self.experiment is None:
            return self
        if self.alert is not None:
            raise ValueError(_NOTHING_SERVED)
        if self.segmentation is not None:
            raise ValueError(_NOTHING_COMPARED)
        if self.experiment.bandit and not (self.recommendation or self.next_best_offer):
            raise ValueError(_NOTHING_CHOSEN)
        return self


class Objective(Block):
    """What to predict, declared once and used by training, serving and monitoring."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"self.metadata.name.matches('{NAME_PATTERN}')",
                f"metadata.name {NOT_A_NAME}",
            ),
            ("!has(self.metadata.generateName)", "an objective is called by a name of its own"),
        )
    )

    apiVersion: Literal["tidemill.dev/v1alpha1"]
    """Version of this schema."""
    kind: Literal["Objective"]
    """Always `Objective`."""
    metadata: Metadata
    """The name, and what Kubernetes keeps beside it."""
    spec: Spec
    """What to predict and how."""

    @property
    def name(self) -> str:
        """The objective's name."""
        return self.metadata.name

    @property
    def type(self) -> Type:
        """Which of the types it is."""
        (given,) = (name for name in _TYPES if getattr(self.spec, name) is not None)
        return cast(Type, given)

    @property
    def choice(self) -> Recommendation | NextBestOffer | None:
        """The block of an objective that chooses items; None for one that predicts an outcome."""
        return self.spec.recommendation or self.spec.next_best_offer

    @property
    def about(self) -> str:
        """What is predicted or watched, in words."""
        return str(self.spec.alert or self.spec.segmentation or self.target)

    def require_model(self) -> None:
        """Raise ObjectiveError where nothing is trained."""
        if self.spec.alert is not None:
            raise ObjectiveError(
                f"'{self.name}' is an alert: it watches the {self.about} and has no model",
                hint=f"judge it with `tidemill monitor {self.name}`",
            )

    @property
    def target(self) -> Target:
        """The outcome to predict, in the form common to all types. Raises ObjectiveError for an
        alert and for a segmentation, which predict none."""
        self.require_model()
        if self.spec.segmentation is not None:
            raise ObjectiveError(
                f"'{self.name}' predicts no outcome: it looks for {self.about}",
                hint="name an objective that predicts one",
            )
        block = self.spec.propensity or self.choice or self.spec.lifetime_value
        if block is not None:
            return Target(block.event, block.where, block.within, absent=False)
        assert self.spec.churn is not None, "Spec guarantees one type"  # noqa: S101 - for mypy
        lapse = self.spec.churn
        return Target(lapse.event, lapse.where, lapse.within, absent=True)

    @property
    def hash(self) -> str:
        """12 hex digits that change when the model would: what is predicted, for whom, and how
        it is trained, but not when it is trained, served or watched."""
        spec = self.spec.model_dump(mode="json", exclude={"serving", "experiment", "monitoring"})
        del spec["training"]["schedule"]
        for later in _LATER_TYPES:  # what nobody declared changes no model
            if spec[later] is None:
                del spec[later]
        canonical = json.dumps(spec, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]
