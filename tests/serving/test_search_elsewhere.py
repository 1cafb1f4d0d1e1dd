"""A search too long for the event loop: the reply comes later, and is the same."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
import recommender_kit as kit

from tidemill.http.messages import Reply, Request
from tidemill_serving import batching
from tidemill_serving.app import App
from tidemill_serving.metrics import Metrics
from tidemill_serving.repository import Repository, promoted


@pytest.fixture
def app(tmp_path: Path) -> App:
    home = kit.prepare_home(tmp_path)
    repository = Repository(home, promoted(home, []))
    repository.load()
    return App(repository, Metrics())


def question(user: str, **parameters: Any) -> Request:
    body = json.dumps({"instances": [user], "parameters": parameters}).encode()
    return Request("POST", f"/v1/models/{kit.NAME}:predict", {}, body)


def reply_to(app: App, *requests: Request) -> list[Reply]:
    """All of them at once, as an event loop would."""

    async def replies() -> list[Reply]:
        answers = [app.answer(request) for request in requests]
        return [answer if isinstance(answer, Reply) else await answer for answer in answers]

    return asyncio.run(replies())


def lists(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return [prediction["items"] for prediction in json.loads(reply.body)["predictions"]]


def test_a_quick_search_stays_where_it_is(app: App) -> None:
    """Ten items need no other thread."""
    before = set(threading.enumerate())
    reply_to(app, question("u1"))
    assert set(threading.enumerate()) <= before


def test_a_long_search_is_answered_later(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same lists, each to its own user."""
    users = [question(f"u{number}", k=number + 1) for number in range(8)]
    at_once = [lists(reply) for reply in reply_to(app, *users)]
    monkeypatch.setattr(batching, "_INLINE_SECONDS", 0)
    assert [lists(reply) for reply in reply_to(app, *users)] == at_once


def test_a_question_that_is_refused_is_refused_at_once(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it could wait beside others."""
    monkeypatch.setattr(batching, "_INLINE_SECONDS", 0)
    refused = app.answer(question("u1", k=0))
    assert isinstance(refused, Reply)
    assert refused.status == 400


def test_a_search_that_fails_is_an_internal_error(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a word of what happened; the log has it."""

    def fail(*_: Any) -> None:
        raise ValueError("a secret")

    monkeypatch.setattr(batching, "_INLINE_SECONDS", 0)
    monkeypatch.setattr("tidemill_serving.recommender.Recommender.finish", fail)
    answer = app.answer(question("u1"))
    assert isinstance(answer, Awaitable)
    (reply,) = reply_to(app, question("u1"))
    assert reply.status == 500
    assert b"secret" not in reply.body
    asyncio.run(_drop(answer))


async def _drop(answer: Awaitable[Reply]) -> None:
    await answer
