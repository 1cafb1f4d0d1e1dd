"""Searches on the event loop: one after the other, and what arrives meanwhile is read between."""

import asyncio
import socket

import pytest
import uvloop

from tidemill_serving.turns import Turns


@pytest.fixture
def runner():
    """The loop that the server runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


def test_first_come_first_served(runner):
    """Turns are given in the order in which they were asked for."""
    order = []

    async def work(turns: Turns, name: int) -> None:
        await turns.take()
        order.append(name)

    async def all_at_once() -> None:
        turns = Turns()
        await asyncio.gather(*(work(turns, name) for name in range(20)))

    runner.run(all_at_once())
    assert order == list(range(20))


def test_connections_are_read_between_two_searches(runner):
    """What arrives during one search is read before the next begins, not after all of them."""
    happened = []

    async def scene() -> None:
        turns, loop = Turns(), asyncio.get_running_loop()
        near, far = socket.socketpair()
        with near, far:
            near.setblocking(False)
            loop.add_reader(near, lambda: happened.append(near.recv(1)))

            async def search(name: str) -> None:
                await turns.take()
                happened.append(name)
                far.send(b"!")

            await asyncio.gather(*(search(name) for name in "abc"))
            await asyncio.sleep(0.01)
            loop.remove_reader(near)

    runner.run(scene())
    assert happened == ["a", b"!", "b", b"!", "c", b"!"]


def test_who_gives_up_waiting_keeps_nobody(runner):
    """A cancelled turn is passed over."""
    served = []

    async def scene() -> None:
        turns = Turns()

        async def search(name: str) -> None:
            await turns.take()
            served.append(name)

        first, second, third = (asyncio.create_task(search(name)) for name in "abc")
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, third)

    runner.run(scene())
    assert served == ["a", "c"]
