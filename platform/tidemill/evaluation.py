"""How good a set of scores is, and whether one set is better than another.

Numpy only, because the gate, the monitors and the benchmarks must mean the same by a number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
