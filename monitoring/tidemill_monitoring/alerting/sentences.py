"""What an alert says, in words."""

from __future__ import annotations

from datetime import datetime, timedelta

from tidemill.objective.alerting import Alert
from tidemill_monitoring.alerting.contributors import Contributor
from tidemill_monitoring.alerting.incidents import Incident
from tidemill_monitoring.alerting.judging import Judged
from tidemill_monitoring.alerting.series import Series

_DAY = timedelta(days=1)


def say_incident(
    alert: Alert,
    series: Series,
    incident: Incident,
    shown: Judged,
    contributors: list[Contributor],
) -> str:
    """`shown` is the period, or run of periods, whose numbers are said."""
    sentence = f"{_amounts(alert, series, shown)} (x{_ratio(shown):.2f})"
    if contributors:
        sentence += f"; {_part(incident, contributors[0])}"
    since = period_name(series.begins(incident.first), series.every)
    if not incident.is_open:
        ended = period_name(series.begins(incident.last), series.every)
        return f"{sentence}. It is over: it began on {since} and ended on {ended}."
    if incident.count > shown.length:
        came, due = (
            amount(number * series.unit) for number in (incident.observed, incident.expected)
        )
        sentence += f". It began on {since}; since then {came} came where {due} were expected"
    return f"{sentence}."


def say_usual(alert: Alert, series: Series, newest: Judged) -> str:
    """Nothing is unusual; a period in twenty lies outside of its band by chance."""
    said = _amounts(alert, series, newest)
    is_inside = newest.lower <= newest.observed <= newest.upper
    return f"{said}." if is_inside else f"{said}; not far enough out to be more than chance."


def say_too_young(alert: Alert, series: Series, days: int, minimum: int) -> str:
    """How much is there, and how much is needed."""
    if not series.known_days and not series.values.any():
        return (
            f"The log holds no `{alert.event}` as the alert describes it; check the name and the "
            "conditions, or wait until some come."
        )
    return (
        f"`{alert.event}` is known for {series.known_days} whole days, and {minimum + 1} are "
        f"needed to tell what is usual; look again in {days} days."
    )


def say_incomplete(alert: Alert) -> str:
    """Late arrivals are still to come."""
    return f"No period of `{alert.event}` is complete enough yet to be judged; look again later."


def period_name(begins: datetime, every: timedelta) -> str:
    """`Tuesday, 2017-03-07`, with the hour where periods are hours."""
    name = f"{begins:%A}, {begins:%Y-%m-%d}"
    return name if every == _DAY else f"{name} {begins:%H:%M} UTC"


def amount(number: float) -> str:
    """Whole from ten on, else with one digit."""
    return f"{number:,.0f}" if number >= 10 or number == round(number) else f"{number:.1f}"


def _amounts(alert: Alert, series: Series, shown: Judged) -> str:
    """`4,120 `order` on Tuesday, 2017-03-07, where 5,900 to 7,300 are usual`."""
    observed, lower, upper = (
        amount(number * series.unit) for number in (shown.observed, shown.lower, shown.upper)
    )
    last = series.begins(shown.period)
    when = f"on {period_name(last, series.every)}"
    if shown.length > 1:
        first = series.begins(shown.period - shown.length + 1)
        when = f"from {period_name(first, series.every)} to {period_name(last, series.every)}"
    return f"{_metric(alert, observed)} {when}, where {lower} to {upper} are usual"


def _metric(alert: Alert, observed: str) -> str:
    named = f"`{alert.event}`"
    if alert.metric == "count":
        return f"{observed} {named}"
    if alert.metric == "users":
        return f"{observed} users with {named}"
    return f"{observed} as the sum of `{alert.metric}` of {named}"


def _ratio(shown: Judged) -> float:
    return shown.observed / max(shown.expected, 0.5)


def _part(incident: Incident, most: Contributor) -> str:
    lost = "missing ones" if incident.kind == "fell" else "surplus"
    explains = f"explains {min(most.explains, 1.0):.0%} of the {lost}"
    if most.explains > 1:
        explains = f"explains all of the {lost}"
    value = f"= {most.value}" if most.value else "is missing and"
    return f"`{most.field}` {value} {explains}"
