"""What may be offered now, as the server reads it: a file that each refresh of features replaces.

NumPy's own container without pickled objects: texts as one UTF-8 buffer and its offsets, each
attribute as codes into its distinct values. A million items are read in a second.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import BundleError

ALWAYS = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Attribute:
    """One attribute of all items."""

    values: tuple[str, ...]
    codes: NDArray[np.int32]
    """[items], position in `values`; -1 where the item has none."""


@dataclass(frozen=True)
class Catalogue:
    """Items that meet the objective's conditions."""

    items: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    """By name, without `item.`."""
    start: NDArray[np.int64]
    """[items], first instant of being available, microseconds since 1970 UTC."""
    end: NDArray[np.int64]
    """[items], first instant of no longer being available."""

    @cached_property
    def positions(self) -> dict[str, int]:
        return {item: position for position, item in enumerate(self.items)}

    def available(self, now: int) -> NDArray[np.bool_]:
        """Items that may be offered at `now`, microseconds since 1970 UTC; shape [items]."""
        return (self.start <= now) & (now < self.end)


def always(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`start` and `end` of items without bounds."""
    return np.full(count, -ALWAYS, np.int64), np.full(count, ALWAYS, np.int64)


def write_catalogue(path: Path, catalogue: Catalogue) -> None:
    """Replace the file at once: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {**_texts("items", catalogue.items), "start": catalogue.start, "end": catalogue.end}
    for position, attribute in enumerate(catalogue.attributes.values()):
        arrays |= _texts(f"values{position}", attribute.values)
        arrays[f"codes{position}"] = attribute.codes.astype(np.int32)
    arrays |= _texts("names", tuple(catalogue.attributes))
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    with draft.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_catalogue(path: Path) -> Catalogue:
    """Raises BundleError when there is none, or it cannot be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            names = _read_texts(found, "names")
            attributes = {
                name: Attribute(_read_texts(found, f"values{at}"), found[f"codes{at}"])
                for at, name in enumerate(names)
            }
            items = _read_texts(found, "items")
            return Catalogue(items, attributes, found["start"], found["end"])
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        # Of a file that is no archive NumPy says that it might be a pickle, and how to load that.
        is_archive = not path.is_file() or zipfile.is_zipfile(path)
        raise BundleError(
            f"the catalogue {path} cannot be read: {error if is_archive else 'it is damaged'}",
            hint="make it with `tidemill features materialize`",
        ) from error


def _texts(name: str, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return {f"{name}.text": np.frombuffer(b"".join(encoded), np.uint8), f"{name}.ends": ends}


def _read_texts(found: Mapping[str, NDArray[Any]], name: str) -> tuple[str, ...]:
    joined, ends = found[f"{name}.text"].tobytes(), found[f"{name}.ends"].tolist()
    return tuple(joined[s:e].decode() for s, e in zip([0, *ends], ends, strict=False))
