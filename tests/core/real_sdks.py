"""The SDKs of others, each behind one function, with a clock that can be set wrong."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from collector_kit import Answer, ask

EVENT = "opened"
GIVE_UP_SECONDS = 20.0


@dataclass
class Seen:
    """What an SDK told its user."""

    errors: list[Any] = field(default_factory=list)
    done: list[Any] = field(default_factory=list)


@dataclass
class Sdk:
    """`send(url, key, events, seen)` delivers (user, properties) pairs, and waits until it has."""

    send: Callable[[str, str, list[tuple[str, dict[str, Any]]], Seen], None]
    set_clock: Callable[[pytest.MonkeyPatch, float], None]
    corrects: bool
    """Whether the SDK tells when it sends, so that its clock can be corrected."""


def segment(url, key, events, seen):
    from segment.analytics import Client

    client = Client(key, host=url, on_error=lambda error, batch: seen.errors.append(error))
    for user, properties in events:
        client.track(user, EVENT, properties)
    client.shutdown()


def rudderstack(url, key, events, seen):
    from rudderstack.analytics.client import Client

    client = Client(key, host=url, on_error=lambda error, batch: seen.errors.append(error))
    for user, properties in events:
        client.track(user, EVENT, properties)
    client.shutdown()


def mixpanel(url, key, events, seen):
    from mixpanel import BufferedConsumer, Mixpanel

    consumer = BufferedConsumer(
        events_url=f"{url}/track", people_url=f"{url}/engage", import_url=f"{url}/import"
    )
    tracker = Mixpanel(key, consumer)
    for user, properties in events:
        tracker.track(user, EVENT, properties)
    consumer.flush()


def amplitude(url, key, events, seen):
    from amplitude import Amplitude, BaseEvent

    client = Amplitude(key)
    client.configuration.server_url = f"{url}/2/httpapi"
    client.configuration.flush_interval_millis = 50
    client.configuration.logger.setLevel(logging.CRITICAL)

    def answered(event, code, message):
        (seen.done if code == 200 else seen.errors).append((event.user_id, code))

    client.configuration.callback = answered
    for user, properties in events:
        client.track(BaseEvent(EVENT, user_id=user, event_properties=properties))
    client.flush()
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while len(seen.done) + len(seen.errors) < len(events) and time.monotonic() < deadline:
        time.sleep(0.02)
    client.shutdown()


def posthog(url, key, events, seen):
    from posthog import Posthog

    client = Posthog(key, host=url, on_error=lambda error, batch: seen.errors.append(error))
    for user, properties in events:
        client.capture(EVENT, distinct_id=user, properties=properties)
    client.shutdown()


def snowplow(url, key, events, seen):
    from snowplow_tracker import Emitter, SelfDescribing, SelfDescribingJson, Subject, Tracker

    logging.getLogger("snowplow_tracker").setLevel(logging.CRITICAL)
    emitter = Emitter(
        url,
        on_success=seen.done.extend,
        on_failure=lambda _, failed: seen.errors.extend(failed),
    )
    tracker = Tracker("test", emitter, app_id=key)
    for user, properties in events:
        data = SelfDescribingJson(f"iglu:org.example/{EVENT}/jsonschema/1-0-0", properties)
        tracker.track(SelfDescribing(data, event_subject=Subject().set_user_id(user)))
    tracker.flush()


def wrong_datetime(*modules: str) -> Callable[[pytest.MonkeyPatch, float], None]:
    """Sets the clock of modules that import `datetime`, in this process alone."""

    def set_clock(patch: pytest.MonkeyPatch, ahead: float) -> None:
        class Shifted(datetime):
            @classmethod
            def now(cls, tz=None):
                return cls.fromtimestamp(time.time(), tz) + timedelta(seconds=ahead)

        for module in modules:
            patch.setattr(f"{module}.datetime", Shifted)

    return set_clock


def wrong_time(*modules: str) -> Callable[[pytest.MonkeyPatch, float], None]:
    """As `wrong_datetime`, for those that import `time`."""

    def set_clock(patch: pytest.MonkeyPatch, ahead: float) -> None:
        clock: ModuleType | SimpleNamespace = SimpleNamespace(**vars(time))
        clock.time = lambda: time.time() + ahead
        for module in modules:
            patch.setattr(f"{module}.time", clock)

    return set_clock


SDKS = {
    "segment": Sdk(
        segment, wrong_datetime("segment.analytics.client", "segment.analytics.request"), True
    ),
    "rudderstack": Sdk(
        rudderstack,
        wrong_datetime("rudderstack.analytics.client", "rudderstack.analytics.request"),
        True,
    ),
    "mixpanel": Sdk(mixpanel, wrong_time("mixpanel"), False),
    "amplitude": Sdk(amplitude, wrong_time("amplitude.utils"), False),
    "posthog": Sdk(posthog, wrong_datetime("posthog.client", "posthog.request"), True),
    "snowplow": Sdk(
        snowplow, wrong_time("snowplow_tracker.tracker", "snowplow_tracker.emitters"), True
    ),
}


@dataclass
class Tape:
    """Everything that went through a recorder, and what was answered."""

    url: str
    requests: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def play(self, port: int) -> list[int]:
        """Send it all again; the statuses."""
        return [
            ask(port, method, path, body, headers).status
            for method, path, body, headers in self.requests
        ]


@contextmanager
def recording(port: int) -> Iterator[Tape]:
    """A server that hands every request on to `port`, and keeps a copy."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in _HOP
            }
            tape.requests.append((self.command, self.path, body, headers))
            answer = ask(port, self.command, self.path, body, headers)
            tape.answers.append(answer)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tape = Tape(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield tape
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_HOP = {"host", "connection", "content-length", "accept-encoding"}
