"""What docs/experiments.md says of assignment, run: any language finds the same arm."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from tidemill.experiments.vectors import render_vectors
from tidemill.objective.experimenting import DeclaredExperiment

NODE = shutil.which("node")
DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "experiments.md").read_text()
VECTORS: dict[str, Any] = json.loads((DOCS / "assignment-vectors.json").read_text())


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def test_the_vectors_are_those_of_the_code() -> None:
    """`make docs` was run, and nobody was moved between arms."""
    assert (DOCS / "assignment-vectors.json").read_text() == render_vectors()


def test_the_sql_finds_the_same_cells() -> None:
    """DuckDB's own SHA-256 and shift."""
    con = duckdb.connect()
    con.execute("CREATE TABLE users (salt VARCHAR, unit VARCHAR)")
    pairs = [(each["salt"], each["unit"]) for each in VECTORS["cells"]]
    con.executemany("INSERT INTO users VALUES (?, ?)", pairs)
    (query,) = snippets("sql")
    found = {(salt, unit): cell for salt, unit, cell in con.execute(query).fetchall()}
    assert found == {(each["salt"], each["unit"]): each["cell"] for each in VECTORS["cells"]}


@pytest.mark.skipif(NODE is None, reason="JavaScript runs where Node.js is")
def test_the_javascript_finds_the_same_cells_and_arms() -> None:
    """As doubles, whose sums of shares differ from decimals by less than a cell."""
    (functions,) = snippets("js")
    check = """
        const vectors = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
        const cells = vectors.cells.map(({salt, unit}) => cellOf(salt, unit));
        const arms = vectors.arms.map(({salt, shares, place}) => Object.fromEntries(
            Object.keys(place).map(unit => [unit, placeOf(salt, shares.map(Number), unit)])));
        console.log(JSON.stringify({cells, arms}));
    """
    run = subprocess.run(
        [str(NODE), "-e", functions + check],
        input=json.dumps(VECTORS),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(run.stdout)
    assert found["cells"] == [each["cell"] for each in VECTORS["cells"]]
    assert found["arms"] == [each["place"] for each in VECTORS["arms"]]


@pytest.mark.parametrize("snippet", snippets("yaml"))
def test_what_the_page_declares_is_valid(snippet: str) -> None:
    """What is copied from it loads."""
    DeclaredExperiment.model_validate(yaml.safe_load(snippet)["spec"]["experiment"])
