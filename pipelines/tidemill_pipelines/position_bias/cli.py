"""`tidemill compare`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tidemill.cli import console
from tidemill.cli.options import At, Json, instant_or_log_end
from tidemill.home import Home
from tidemill.objective import resolve_objective

if TYPE_CHECKING:
    from tidemill_pipelines.position_bias.compare import Compared
    from tidemill_pipelines.position_bias.off_policy import Estimate, Valuation

_ROUNDING = 1e-9
"""Clicks on a list; the same lists valued twice may differ by that."""


def compare(
    objective: Annotated[str, typer.Argument(help="Name of an objective that chooses items.")],
    version: Annotated[str, typer.Argument(help="Registered version to value.")],
    at: At = None,
    as_json: Json = False,
) -> None:
    """Value a registered version by what users did with the lists of the live one.

    Makes the lists that the live version has shown anew with the other version, from histories as
    they were, and estimates the clicks they would have brought: by inverse propensity scores (IPS),
    self-normalised (SNIPS) and doubly robust, each with a 90% interval. Says why where nothing can
    be said, which is a normal outcome and exits with 0.
    """
    from tidemill.errors import ObjectiveError
    from tidemill.events import EventLog  # keeps --help fast
    from tidemill_pipelines.position_bias.compare import compare as compare_versions

    home = Home.from_environment()
    declared = resolve_objective(home, objective)
    if declared.choice is None:
        raise ObjectiveError(
            f"'{declared.name}' is a {declared.type}, which shows no lists",
            hint="name a recommendation or a next best offer",
        )
    with EventLog(home.events).connect() as con:
        instant = instant_or_log_end(con, at)
    compared = compare_versions(home, declared, version, instant, console.log)
    if as_json:
        console.print_json(asdict(compared))
        return
    _show(compared)


def _show(compared: Compared) -> None:
    from rich.table import Table

    from tidemill_pipelines.position_bias.off_policy import Refused

    found = compared.result
    if isinstance(found, Refused):
        console.out.print(
            f"nothing can be said of version {compared.version} against {compared.live}: "
            f"{found.reason}"
        )
    else:
        table = Table("clicks on a list", "value", "90% interval")
        for name, each in (
            (f"version {compared.live}, as it was", found.live),
            (f"version {compared.live}, without random swaps", found.unswapped),
            (f"version {compared.version}, IPS", found.ips),
            (f"version {compared.version}, SNIPS", found.snips),
            (f"version {compared.version}, doubly robust", found.doubly_robust),
            ("difference, doubly robust", found.gain),
        ):
            table.add_row(name, f"{each.value:.4f}", f"{each.lower:.4f} to {each.upper:.4f}")
        console.out.print(table)
        console.out.print(
            f"{found.answers:,} lists, {found.clicks:,} clicks worth {found.effective:,.0f} equal "
            f"ones, {found.support:.0%} of what version {compared.version} would show was shown"
        )
        console.out.print(_verdict(compared, found))
    if compared.basis:
        console.out.print(compared.basis)


def _verdict(compared: Compared, found: Valuation) -> str:
    gain: Estimate = found.gain
    if gain.lower > _ROUNDING:
        return f"version {compared.version} would have brought more clicks"
    if gain.upper < -_ROUNDING:
        return f"version {compared.version} would have brought fewer clicks"
    return "the two cannot be told apart"
