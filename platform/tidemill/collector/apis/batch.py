"""`/batch`, which Amplitude and PostHog share.

What a body holds tells them apart. A request that is refused before that is answered in PostHog's
words when its path ends in a slash, as PostHog's does.
"""

from __future__ import annotations

from tidemill.collector.apis import amplitude, posthog
from tidemill.collector.apis.api import Api, Call, Parcel
from tidemill.collector.bodies import load_json


def read(call: Call) -> Parcel:
    body = load_json(call.body)
    if isinstance(body, dict) and "events" in body and "batch" not in body:
        return amplitude.parcel_of(call, body)
    return posthog.parcel_of(call, body)


ROUTES = {
    "/batch": Api("amplitude", amplitude.LARGEST_BATCH, read, amplitude.refuse),
    "/batch/": Api("posthog", posthog.LARGEST_REQUEST, read, posthog.refuse),
}
