"""Writing a page that somebody may be reading."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tidemill.errors import TidemillError


def write_page(path: Path, page: str, option: str) -> None:
    """A reader finds the old page or the new one, never half of it.

    Raises TidemillError, which names the `option` for another place, if it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(page)
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise TidemillError(
            f"the page cannot be written to {path}: {error.strerror}",
            hint=f"choose another place with {option} FILE",
        ) from error
