"""Rows of a benchmark that may be cut short: what is measured already is not measured again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class KeptRows:
    """In the order in which they were made; in a file too, one a line, if there is one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        self.rows: list[Row] = [json.loads(line) for line in lines]

    def has(self, **key: object) -> bool:
        return self._found(key) is not None

    def get_or_make(self, make: Callable[[], Row], **key: object) -> Row:
        """The row with these values; a new one gets them."""
        found = self._found(key)
        if found is not None:
            return found
        row = {**key, **make()}
        print(row, flush=True)
        self.rows.append(row)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(row) + "\n")
        return row

    def _found(self, key: dict[str, object]) -> Row | None:
        rows = (row for row in self.rows if all(row.get(k) == v for k, v in key.items()))
        return next(rows, None)
