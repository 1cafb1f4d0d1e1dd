"""The page about the tracking plan: `python -m tidemill.events.plan.reference`."""

from __future__ import annotations

import sys

from tidemill.events.plan.schema import TrackingPlan
from tidemill.objective.reference import key_rows

_PAGE = """# The tracking plan

What events have to look like, and which of them count, in one YAML file in the folder of the event
log. A log needs none: without it any event is allowed, repeated clicks and bots are marked.

    tidemill events infer-plan --out plan.yaml   what the log so far supports
    tidemill events plan plan.yaml               what it would refuse; puts it in place
    tidemill events plan                         the present plan
    tidemill events rejected                     what was refused since, and why
    tidemill events retry                        judges refused events again, after a change
    tidemill events hygiene                      what is kept and does not count

```yaml
apiVersion: tidemill.dev/v1alpha1
kind: TrackingPlan
spec:
  events:
    order completed:
      required: [currency]
      fields: [value]
      properties:
        currency: {type: string, pattern: "^[A-Z]{3}$"}
        channel: {type: string, values: [web, app]}
        lines: {type: integer, minimum: 1}
  debounce: 1s
  bots: {eventsPerMinute: 120}
```

## Refused events

An event that breaks the plan becomes a dead letter with the first violation as its reason
(`plan: order completed.currency is missing`) and the whole event as its text. Nothing is dropped:
after a change of the plan, `tidemill events retry` imports what is allowed now and takes those dead
letters away. An event that was sent live counts from the retry on, because no prediction could have
known it earlier; one out of a file keeps its `received_at`. Events that are in the log already are
never judged again.

Events that SDKs send by calls of their own (`$identify`, `$alias`, `$group`, `$page`, `$screen`)
are allowed whatever `unplanned` says. Properties that an event's plan does not name are free.

`infer-plan` asks for what 500 events or more showed without an exception. Allowed values are
inferred for texts with at most 20 of them, each seen from the first half of the time on; never for
ids, names, versions, addresses or numbers, and ranges of numbers are left to you. All events that
the plan was inferred from keep it.

## Repeated clicks

An event is marked `repeat` when the same one (user, name, item, properties) came less than
`debounce` before it. The gap to the event just before decides, so a run of clicks counts once
however long it goes on. Times and ids that an SDK adds to each sending are not compared. Left alone
are events with a `value`, because transactions are no clicks, and events at exactly the same time:
a clock of seconds or minutes cannot tell a repetition from things done at once.

Marks are set when events arrive, from what is known then. When the two clicks of a pair arrive in
the wrong order, the later arrival is marked: what was counted stays counted, and the pair counts
once.

## Bots

When one user has `eventsPerMinute` events or more in one calendar minute, in at least 20 of its
seconds, all events of that minute are marked `bot`. Events with a `value` neither count towards the
rate nor are marked. Where the first events of the minute came in earlier, they count until the mark
was set.

## Taking marks back

Marked events stay in the log and are left out of features, labels and discovery. With
`debounce: off` or `bots: off` they count again, at once and from the beginning; switched on again,
the marks hold again. Events that come in while a rule is off, or under another window or rate, are
not marked afterwards.

## Keys

An unknown key is an error that names the nearest valid one. This table is made from the schema.

| key | default | meaning |
|---|---|---|
"""


def render_reference() -> str:
    """The whole page as Markdown."""
    return _PAGE + key_rows(TrackingPlan)


if __name__ == "__main__":
    sys.stdout.write(render_reference())
