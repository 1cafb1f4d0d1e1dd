"""The block of an objective whose effect is measured by an experiment while it is served."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, model_validator

from tidemill.experiments.running import Serve
from tidemill.objective.block import Block
from tidemill.objective.cel import rules
from tidemill.objective.duration import Duration
from tidemill.objective.fields import Amount
from tidemill.objective.percent import Percent, PositivePercent, format_percent, number_of
from tidemill.objective.recommending import EventName
from tidemill.objective.where import Where

if TYPE_CHECKING:
    from tidemill.objective.schema import Target

Kind = Literal["conversion", "count", "sum", "ratio"]
Several = Literal["holm", "benjamini-hochberg"]
Better = Literal["higher", "lower"]
OUTCOME = "outcome"
"""Name of the only metric of an experiment that declares none."""
HOLDOUT, TREATED = "holdout", "treated"
"""Names of the arms of a holdout."""
_MOST_ARMS = 8
_MOST_METRICS = 16
_LONGEST_NAME = 63
_NAME = "^[A-Za-z0-9][-A-Za-z0-9_.]*$"

_NOT_A_NAME = "must be letters, digits, '-', '_' or '.', a letter or digit first"
_HOW_SPLIT = "exactly one of holdout, arms must be given"
_NOT_A_PART = "a holdout is less than 100%"
_NOT_WHOLE = "the shares of the arms, two or more, must add up to 100%"
_SAME_ARMS = "the names of the arms must differ"
_SAME_METRICS = "the names of the metrics must differ"
_OUT_OF_LAYER = "the start and the share of a layer's slot may not go beyond 100%"
_VALUE = "a sum needs the value it adds up; nothing else but a ratio can have one"
_PER = "a ratio needs per, the event it is divided by; nothing else can have it"
_YES_OR_NO = "a conversion is yes or no, so there is nothing to winsorise"
_NO_GUARD = "a guardrail names a metric other than the first"
_BANDIT = "a bandit needs arms to allocate to"
_ONE_WAY = "a bandit moves its shares and promote needs them to stay, so choose one of them"
_NO_RATIO = "a ratio has no unbiased estimate under a bandit; declare its two parts as metrics"
_PROMOTE = "promote needs arms: the first serves the champion, exactly one the challenger"


def _check_name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(_NOT_A_NAME)
    return name


Label = Annotated[
    str,
    Field(max_length=_LONGEST_NAME),
    AfterValidator(_check_name),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": _LONGEST_NAME,
            **rules((f"self.matches('{_NAME}')", _NOT_A_NAME)),
        }
    ),
]
"""How an arm, a metric or a layer is called in pages, logs and flags."""


class DeclaredArm(Block):
    """Users who are served alike."""

    name: Label
    """How the arm is called."""
    share: PositivePercent
    """Of the users who take part."""
    serve: Serve
    """What its users are answered with: the live model (`champion`), the next one (`challenger`),
    the simple rule every model has to beat (`rule`), or no score and no items (`nothing`)."""


class Layer(Block):
    """A part of a layer: experiments of one layer whose parts do not overlap never share a user."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"{number_of('self.start')} + {number_of('self.share')} < 100.00001",
                _OUT_OF_LAYER,
            )
        )
    )

    name: Label
    """Experiments that name the same layer share its users out among them."""
    start: Percent = Decimal(0)
    """Where this experiment's part begins."""
    share: PositivePercent
    """How large it is."""

    @model_validator(mode="after")
    def _check_end(self) -> Self:
        if self.start + self.share > 1:
            raise ValueError(_OUT_OF_LAYER)
        return self


class DeclaredMetric(Block):
    """What is counted for each user, from the first answer on."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("self.kind == 'ratio' || has(self.value) == (self.kind == 'sum')", _VALUE),
            ("has(self.per) == (self.kind == 'ratio')", _PER),
            ("self.kind != 'conversion' || !has(self.winsorise)", _YES_OR_NO),
        )
    )

    name: Label
    """How the metric is called."""
    event: EventName | None = None
    """Name of the event that is counted; any event if left out."""
    where: Where = Field(default={})
    """Conditions the event must meet, as in `propensity.where`."""
    kind: Kind = "conversion"
    """Whether the event happens (`conversion`), how often (`count`), what its value adds up to
    (`sum`), or how often, or how much, for each event of another kind (`ratio`)."""
    value: Amount | None = None
    """What a sum, or the upper part of a ratio, adds up: the events' own `value`, or a numeric
    property (`property.<name>`). A ratio without it counts events."""
    per: EventName | None = None
    """Name of the event that a ratio is divided by."""
    within: Duration | None = None
    """How long after the first answer it counts; the horizon of the objective if left out."""
    winsorise: float | None = Field(default=None, ge=0.5, le=0.9999)
    """For heavy tails: what is above this quantile of all users counts as much as the quantile."""
    better: Better = "higher"
    """Whether more of it is good, or less."""

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.kind != "ratio" and (self.value is not None) != (self.kind == "sum"):
            raise ValueError(_VALUE)
        if (self.per is not None) != (self.kind == "ratio"):
            raise ValueError(_PER)
        if self.kind == "conversion" and self.winsorise is not None:
            raise ValueError(_YES_OR_NO)
        return self


class Guardrail(Block):
    """A metric that must not get worse."""

    metric: Label
    """Its name."""
    margin: PositivePercent
    """The loss that would be accepted, relative to the control."""


class DeclaredExperiment(Block):
    """Who is served what, and by what it is judged."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.holdout) != (self.arms.size() > 0)", _HOW_SPLIT),
            (f"!has(self.holdout) || {number_of('self.holdout')} < 100.0", _NOT_A_PART),
            (
                f"self.arms.size() == 0 || self.arms.size() > 1 && "
                f"self.arms.map(arm, {number_of('arm.share')}).sum() > 99.99999 && "
                f"self.arms.map(arm, {number_of('arm.share')}).sum() < 100.00001",
                _NOT_WHOLE,
            ),
            (
                "self.arms.all(arm, self.arms.exists_one(other, other.name == arm.name))",
                _SAME_ARMS,
            ),
            (
                "self.metrics.all(one, self.metrics.exists_one(other, other.name == one.name))",
                _SAME_METRICS,
            ),
            (
                "self.guardrails.all(guard, self.metrics.exists(one, one.name == guard.metric) && "
                "self.metrics[0].name != guard.metric)",
                _NO_GUARD,
            ),
            ("!self.bandit || self.arms.size() > 0", _BANDIT),
            ("!self.bandit || !self.promote", _ONE_WAY),
            ("!self.bandit || self.metrics.all(one, one.kind != 'ratio')", _NO_RATIO),
            (
                "!self.promote || self.arms.size() > 0 && self.arms[0].serve == 'champion' && "
                "self.arms.exists_one(arm, arm.serve == 'challenger')",
                _PROMOTE,
            ),
        )
    )

    holdout: PositivePercent | None = None
    """Share of the users who get no score and no items, against whom all others are measured."""
    arms: list[DeclaredArm] = Field(default=[], max_length=_MOST_ARMS)
    """Instead of a holdout: who is served what. The first arm is the control."""
    layer: Layer | None = None
    """Only a part of the users takes part, apart from those of other experiments; all if left
    out."""
    metrics: list[DeclaredMetric] = Field(default=[], max_length=_MOST_METRICS)
    """What decides, the first, and what else is looked at; whether the objective's own event
    happens, if left out."""
    guardrails: list[Guardrail] = Field(default=[], max_length=_MOST_METRICS)
    """Metrics that must not get worse, whatever the first one gains."""
    smallest_effect: PositivePercent = Decimal("0.02")
    """The smallest lift that matters, relative to the control."""
    alpha: float = Field(default=0.05, ge=0.001, le=0.2)
    """How often an experiment without any effect may be called one with."""
    several: Several = "holm"
    """How several metrics and arms share alpha: by never finding one effect too many (`holm`), or
    by bounding the share of such findings (`benjamini-hochberg`)."""
    bandit: bool = False
    """Whether the shares move every day to the arms that do better. For recommendations and
    offers."""
    promote: bool = False
    """Whether a challenger goes live by the experiment's verdict alone."""

    @property
    def every_arm(self) -> list[DeclaredArm]:
        """The arms, the control first; a holdout's two are called `holdout` and `treated`."""
        if self.holdout is None:
            return self.arms
        return [
            DeclaredArm(name=HOLDOUT, share=self.holdout, serve="nothing"),
            DeclaredArm(name=TREATED, share=1 - self.holdout, serve="champion"),
        ]

    def measured(self, target: Target) -> list[DeclaredMetric]:
        """The metrics with their windows, the one that decides first."""
        if not self.metrics:
            return [
                DeclaredMetric(
                    name=OUTCOME, event=target.event, where=target.where, within=target.within
                )
            ]
        return [
            each.model_copy(update={"within": each.within or target.within})
            for each in self.metrics
        ]

    @model_validator(mode="after")
    def _check_arms(self) -> Self:
        if (self.holdout is None) == (not self.arms):
            raise ValueError(_HOW_SPLIT)
        if self.holdout == 1:
            raise ValueError(_NOT_A_PART)
        if self.arms and (len(self.arms) < 2 or sum(arm.share for arm in self.arms) != 1):
            found = " + ".join(format_percent(arm.share) for arm in self.arms)
            raise ValueError(f"{_NOT_WHOLE}, found {found}")
        if not _differ([arm.name for arm in self.arms]):
            raise ValueError(_SAME_ARMS)
        if self.bandit and not self.arms:
            raise ValueError(_BANDIT)
        if self.bandit and self.promote:
            raise ValueError(_ONE_WAY)
        served = [arm.serve for arm in self.arms]
        if self.promote and (served[:1] != ["champion"] or served.count("challenger") != 1):
            raise ValueError(_PROMOTE)
        return self

    @model_validator(mode="after")
    def _check_metrics(self) -> Self:
        names = [each.name for each in self.metrics]
        if not _differ(names):
            raise ValueError(_SAME_METRICS)
        if self.bandit and any(each.kind == "ratio" for each in self.metrics):
            raise ValueError(_NO_RATIO)
        for guard in self.guardrails:
            if guard.metric not in names[1:]:
                valid = f"valid here: {', '.join(names[1:])}" if names[1:] else "there is no other"
                raise ValueError(f"{_NO_GUARD}, found '{guard.metric}'; {valid}")
        return self


def _differ(names: list[str]) -> bool:
    return len(set(names)) == len(names)
