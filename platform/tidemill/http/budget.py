"""How much may be held in memory at once."""

from __future__ import annotations


class Budget:
    """A sum of bytes with a cap. Used from one thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def take(self, size: int) -> bool:
        """Hold `size` bytes more; False, and nothing held, when that would pass the limit."""
        if self.held + size > self.limit:
            return False
        self.held += size
        return True

    def give_back(self, size: int) -> None:
        """Hold `size` bytes less."""
        self.held -= size
