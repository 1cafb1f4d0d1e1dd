"""The leakage audit on tables with a known leak, and on tables without one.

Protocol: A log is the sample, or a made-up shop whose parameters (users, days, rates, how unequal
they are, weekdays, response to mailings, churn, horizon) are drawn anew for each seed. In all of
them 10% of events arrive up to three weeks late, and two users in five have a second device that is
linked to them only later. A careful team's table has about twenty columns as known at the cutoff:
counts, sums, recencies, logarithms, ratios, noisy scores, lasting traits, a survey that most
skipped; in the shops also a size, known from the start, that nearly decides how much a user does.
Four labelled cutoffs, the newest to be judged on, and rows of now. Each of twelve leaks is planted
alone, as it is, as a logarithm or with noise. *Found* is a warning or blocking finding that names
the planted column, or one about rows where rows were planted or taken away. *Repaired* is the table
without the columns and rows that were flagged; the AUC is that of the cheap linear model, fitted on
the training rows and judged on the newest labelled cutoff of the same table. Rows that are not
there cannot be brought back, so what was repaired of deleted negatives is nothing. A false alarm is
any warning or blocking finding about a clean table. The checks were settled on other seeds than
those from `--first` on.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from kept_rows import KeptRows, Row
from leakage_columns import clean_table
from leakage_plants import LEAKS, Bed
from leakage_worlds import World, population_of, sample_world, shop_world

from tidemill.evaluation import roc_auc
from tidemill_pipelines.assessing.findings import Finding
from tidemill_pipelines.assessing.leakage.copies import find_copies
from tidemill_pipelines.assessing.leakage.foreign import audit
from tidemill_pipelines.assessing.leakage.table import TrainingTable
from tidemill_pipelines.assessing.linear import fit_linear, linear_scores, model_inputs

ROOT = Path(__file__).parent.parent
CLEAN = "none"
ABOUT_ROWS = {"leakage-copies", "leakage-absent-rows"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks" / "leakage.json")
    parser.add_argument("--shops", type=int, default=8, help="made-up logs with all leaks")
    parser.add_argument("--sample", type=int, default=2, help="objectives of the sample, the same")
    parser.add_argument("--clean", type=int, default=20, help="further made-up logs without a leak")
    parser.add_argument("--first", type=int, default=2_000, help="seed of the first made-up log")
    parser.add_argument(
        "--rows", type=Path, help="keep the rows there, one a line, and go on from what it holds"
    )
    options = parser.parse_args()
    kept = KeptRows(options.rows)
    for n in range(options.sample):
        judge(sample_world(n), options.first + n, kept, with_leaks=True)
    for n in range(options.shops + options.clean):
        seed = options.first + n
        judge(shop_world(seed), seed, kept, with_leaks=n < options.shops)
    report = {
        "protocol": __doc__,
        "versions": {"numpy": version("numpy"), "tidemill": version("tidemill")},
        "first_seed": options.first,
        "rows": kept.rows,
    }
    options.out.write_text(json.dumps(report, indent=1) + os.linesep)
    page = markdown(report)
    options.out.with_suffix(".md").write_text(page)
    print(page)


def judge(world: World, seed: int, kept: KeptRows, *, with_leaks: bool) -> None:
    """Keep one row for the clean table, and one for each leak."""
    leaks = list(enumerate(LEAKS)) if with_leaks else []
    missing = [(n, leak) for n, leak in leaks if not kept.has(log=world.name, leak=leak)]
    if missing or not kept.has(log=world.name, leak=CLEAN):
        clean = clean_table(world, population_of(world), seed)
        auc = auc_of(clean)
        kept.get_or_make(lambda: row_of(world, clean, auc), log=world.name, leak=CLEAN)
        for index, leak in missing:
            planted = LEAKS[leak](Bed(world, clean, np.random.default_rng([seed, index])))
            kept.get_or_make(partial(row_of, world, planted, auc), log=world.name, leak=leak)
    if world.sizes:
        world.con.close()


def row_of(world: World, table: TrainingTable, clean_auc: float) -> Row:
    started, on_cpu = time.monotonic(), time.process_time()
    alarms = [
        finding
        for finding in audit(world.con, world.objective, world.at, table)
        if finding.level in ("warning", "blocking")
    ]
    took, cpu = time.monotonic() - started, time.process_time() - on_cpu
    return {
        "rows": len(table.users),
        "found_by": [finding.check for finding in alarms],
        "columns": sorted({c for finding in alarms for c in finding.facts.get("columns", ())}),
        "auc_clean": round(clean_auc, 4),
        "auc": round(auc_of(table), 4),
        "auc_repaired": round(auc_of(repaired(table, alarms)), 4),
        "seconds": round(took, 1),
        "cpu_seconds": round(cpu, 1),
    }


def repaired(table: TrainingTable, alarms: list[Finding]) -> TrainingTable:
    """Without the columns that were flagged, and without copies if there were any."""
    kept = table.without({c for finding in alarms for c in finding.facts.get("columns", ())})
    if any(finding.check == "leakage-copies" for finding in alarms):
        copies = find_copies(table, None)
        kept = kept.where(~(copies.repeated | copies.copied))
    return kept


def auc_of(table: TrainingTable) -> float:
    """Of the linear model on the rows to be judged on; a random row split where rows are copied
    would show more, and hide more."""
    judged = table.is_test & table.labelled
    learnt = table.labelled & ~judged
    inputs, asked = model_inputs(table.matrix()[learnt], table.matrix()[judged])
    scores = linear_scores(asked, fit_linear(inputs, table.labels[learnt]))
    return roc_auc(table.labels[judged], scores)


def is_found(row: Row) -> bool:
    """Whether an alarm is about what was planted."""
    return "planted" in row["columns"] or bool(ABOUT_ROWS & {*row["found_by"]})


def markdown(report: dict[str, Any]) -> str:
    rows = report["rows"]
    clean = [row for row in rows if row["leak"] == CLEAN]
    false = [row for row in clean if row["found_by"]]
    alarms = "; ".join(
        f"{', '.join(row['columns'] or row['found_by'])} of {row['log']}" for row in false
    )
    planted = [row for row in rows if row["leak"] != CLEAN]
    lines = [
        "# Leakage: what the audit finds, and what it cries wolf about",
        "",
        "Made by `benchmarks/leakage.py` (`make bench-assess`), seeds from "
        f"{report['first_seed']:,} on. What the checks are: [leakage.md](../leakage.md).",
        "",
        report["protocol"].split("Protocol: ", 1)[1].strip(),
        "",
        f"Found: **{sum(map(is_found, planted))} of {len(planted)}** planted leaks. False alarms: "
        f"**{len(false)} of {len(clean)}** clean tables{f' ({alarms})' if alarms else ''}.",
        "",
        "| planted leak | found, sample | found, made-up logs | AUC clean | with the leak | "
        "repaired | largest gap after repair | found by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [leak_line(leak, [row for row in rows if row["leak"] == leak]) for leak in LEAKS]
    seconds = sorted(row["cpu_seconds"] for row in rows)
    lines += [
        "",
        "AUCs are means over the logs; the gap is the largest of |repaired - clean| among those "
        f"found. An audit took {seconds[len(seconds) // 2]:.1f} CPU s in the middle, "
        f"{seconds[-1]:.1f} at most.",
        "",
    ]
    return "\n".join(lines)


def leak_line(leak: str, rows: list[dict[str, Any]]) -> str:
    shares = []
    for is_sample in (True, False):
        part = [row for row in rows if row["log"].startswith("sample") == is_sample]
        shares.append(f"{sum(map(is_found, part))} of {len(part)}")
    means = [np.mean([row[key] for row in rows]) for key in ("auc_clean", "auc", "auc_repaired")]
    gaps = [abs(row["auc_repaired"] - row["auc_clean"]) for row in rows if is_found(row)]
    checks = sorted({check.removeprefix("leakage-") for row in rows for check in row["found_by"]})
    numbers = " | ".join(f"{mean:.3f}" for mean in means)
    largest = f"{max(gaps):.4f}" if gaps else "-"
    return f"| {leak} | {' | '.join(shares)} | {numbers} | {largest} | {', '.join(checks)} |"


if __name__ == "__main__":
    main()
