"""The commands, documented from their own help: `python -m tidemill.cli.reference`."""

from __future__ import annotations

import sys

from typer.cli import get_docs_for_click
from typer.main import get_command

from tidemill.cli.main import build_app


def render_reference() -> str:
    """Markdown with every command, argument and option."""
    command = get_command(build_app())
    context = command.make_context("tidemill", [], resilient_parsing=True)
    # Typer types this as the context of user code, and calls it with the parser's, like this.
    text = get_docs_for_click(
        obj=command,
        ctx=context,  # type: ignore[arg-type]  # see above
        name="tidemill",
        title="Commands",
    )
    return text.strip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(render_reference())
