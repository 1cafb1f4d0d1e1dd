"""One search after the other, with a look at the connections in between.

An event loop that answers all requests it has read before it reads again serves the same ones first
every time: the last client's next request, which comes a moment after the others were read, waits
for two rounds of them. Read between any two searches, requests are answered as they arrive.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """The queue of one event loop, first come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for one's turn: one a pass of the loop, which reads before each."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._give, loop)
        await turn

    def _give(self, loop: asyncio.AbstractEventLoop) -> None:
        turn = self._waiting[0]
        if not turn.done():  # whoever waited may have been cancelled
            turn.set_result(None)
        self._waiting.popleft()
        if self._waiting:
            loop.call_soon(self._give, loop)
