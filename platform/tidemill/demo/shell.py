"""Runs the same commands a person would type, and shows them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from rich.markup import escape

from tidemill.cli import console
from tidemill.errors import TidemillError
from tidemill.home import Home


def tidemill(home: Home, *arguments: str, allowed: Sequence[int] = (0,)) -> int:
    """Run one command against `home`; its output goes where this process' output goes.

    Returns the exit code, one of `allowed`; raises TidemillError for any other.
    """
    line = "tidemill " + " ".join(_quoted(argument) for argument in arguments)
    console.out.print(f"[bold cyan]$ {escape(line)}[/]")
    sys.stdout.flush()
    done = subprocess.run(
        [sys.executable, "-m", "tidemill.cli", *arguments], env=environment(home), check=False
    )
    if done.returncode not in allowed:
        raise TidemillError(
            f"`{line}` ended with exit code {done.returncode}",
            hint="the message above says why; `tidemill demo` starts over",
        )
    return done.returncode


def environment(home: Home) -> dict[str, str]:
    """This process' environment, for the same home."""
    return {**os.environ, "TIDEMILL_HOME": str(home.root)}


def _quoted(argument: str) -> str:
    return f"'{argument}'" if " " in argument else argument
