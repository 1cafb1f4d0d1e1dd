"""Where words go: data to stdout, everything else to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import orjson
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segment

_CONTROLS = {
    code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in ("\n", "\t")
}


class _Harmless(Console):
    """Shows what strangers have sent, and does not let it command the terminal."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield segment._replace(text=segment.text.translate(_CONTROLS))


out = _Harmless(soft_wrap=True, highlight=False)
err = _Harmless(stderr=True, soft_wrap=True, highlight=False)


def log(message: str) -> None:
    """One line on stderr."""
    err.print(message)


def print_json(value: Any) -> None:
    """Machine-readable answer on stdout."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
    sys.stdout.write(orjson.dumps(value, option=options).decode() + "\n")


def progress() -> Progress:
    """A progress bar on stderr; silent when stderr is not a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
    )
