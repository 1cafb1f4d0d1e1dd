"""NumPy's own array files, written part by part."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray


class GrowingArray:
    """A .npy file of rows of one shape, whose number is known when it is closed."""

    def __init__(self, path: Path, dtype: DTypeLike, *row: int) -> None:
        self.dtype, self._row, self._rows = np.dtype(dtype), row, 0
        self._file = path.open("wb")
        self._write_header()

    def append(self, rows: NDArray[Any]) -> None:
        """`rows` has the shape [any, *row]."""
        self._file.write(np.ascontiguousarray(rows, dtype=self.dtype).data)
        self._rows += len(rows)

    def __enter__(self) -> GrowingArray:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # NumPy leaves room in the header for an array to grow along its first axis.
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        described = {
            "descr": npy.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self._rows, *self._row),
        }
        npy.write_array_header_1_0(self._file, described)


def mapped(path: Path) -> NDArray[Any]:
    """An array file, read as it is used. An empty one cannot be mapped, and is read."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:
        array = np.load(path, allow_pickle=False)
    return array
