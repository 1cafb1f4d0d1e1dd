"""docs/benchmarks/experiments.md from its numbers."""

from __future__ import annotations

import os
import sys
from typing import Any

PAGE = (
    (
        "No effect: experiments that found one",
        "no_effect",
        {
            "metric": ("metric", ""),
            "daily": ("daily looks", ".2%"),
            "going on": ("going on to three times the plan", ".2%"),
            "endless": ("without an end", ".2%"),
            "single look": ("single look", ".2%"),
            "naive": ("naive daily looks", ".1%"),
        },
    ),
    (
        "An effect: promised and noticed",
        "effects",
        {
            "metric": ("metric", ""),
            "lift": ("lift", ".1%"),
            "days": ("days", ""),
            "units": ("users", ",.0f"),
            "promised": ("promised power", ".1%"),
            "power": ("power", ".1%"),
            "days until decided": ("days until decided", ".1f"),
            "coverage": ("coverage, all days", ".2%"),
            "coverage of lift": ("of the lift", ".2%"),
            "single look coverage": ("95%, single look", ".2%"),
        },
    ),
    (
        "What looking costs: users for the same power, over those of a single look",
        "price",
        {
            "looks": ("daily looks", ""),
            "planned": ("planned", ".2f"),
            "endless": ("without an end", ".2f"),
        },
    ),
    (
        "CUPED: variance that is left",
        "cuped",
        {
            "mean": ("events per user", ".1f"),
            "rho": ("rho", ".3f"),
            "expected": ("1 - rho^2", ".3f"),
            "between experiments": ("between experiments", ".3f"),
            "by standard errors": ("by standard errors", ".3f"),
        },
    ),
    (
        "Sample-ratio mismatch in 20,000 users: experiments with an alarm",
        "sample_ratio",
        {
            "declared": ("declared", ""),
            "true": ("true", ""),
            "days": ("days", ""),
            "daily": ("daily looks", ".3%"),
            "single look": ("chi-square, single look", ".3%"),
            "naive": ("chi-square, daily", ".3%"),
        },
    ),
    (
        "Bandits: the first arm's mean afterwards",
        "bandits",
        {
            "rates": ("true rates", ""),
            "coverage": ("95% coverage, by propensity", ".1%"),
            "bias": ("bias", "+.2%"),
            "plain coverage": ("95% coverage, plain", ".1%"),
            "plain bias": ("bias", "+.2%"),
            "told apart": ("first and last told apart, daily looks", ".1%"),
            "share of the best": ("users in the best arm", ".0%"),
        },
    ),
)


def markdown(facts: dict[str, Any]) -> str:
    """The page."""
    parts = [f"## {title}\n\n{table(facts[key], columns)}\n" for title, key, columns in PAGE]
    packages = ", ".join(f"{name} {found}" for name, found in facts["versions"].items())
    ending = (
        f"{facts['experiments']:,} experiments a row ({facts['splits']:,} for sample ratios, "
        f"{facts['bandits_run']:,} bandits), {facts['cpu_seconds']} s of CPU on {os.cpu_count()} "
        f"processors, Python {sys.version.split()[0]}, {packages}.\n"
    )
    return "\n".join([*parts, ending])


def table(rows: list[dict[str, Any]], columns: dict[str, tuple[str, str]]) -> str:
    """`columns`: key of a row to heading and format."""
    heads = [heading for heading, _ in columns.values()]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * (len(heads) - 1)]
    for row in rows:
        cells = [format(row[key], form) for key, (_, form) in columns.items()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
