"""Compares a run with what receivers were told, and tells them what is new."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.objective.notifying import NOTIFY_VARIABLE, Receiver, read_receivers
from tidemill_monitoring.notifications.changes import Change, find_changes, told_after
from tidemill_monitoring.notifications.delivery import Delivery, Patience, deliver
from tidemill_monitoring.notifications.payloads import notice_id, payload
from tidemill_monitoring.notifications.spool import Spool
from tidemill_monitoring.verdicts import MonitorRun

_PATIENCE = Patience()


def receivers_of(objective: Objective, environment: Mapping[str, str]) -> list[Receiver]:
    """Those the operator names, else those of the objective.

    Raises TidemillError for something else in the variable of the operator.
    """
    given = environment.get(NOTIFY_VARIABLE)
    if given is None:
        return objective.spec.monitoring.notify
    try:
        return read_receivers(given)
    except ValueError as error:
        raise TidemillError(
            f"{NOTIFY_VARIABLE} does not hold receivers",
            hint="it is set by the operator; leave it alone, or unset it",
        ) from error


def notify(
    home: Home,
    run: MonitorRun,
    receivers: list[Receiver],
    log: Callable[[str], None],
    environment: Mapping[str, str] = os.environ,
    patience: Patience = _PATIENCE,
) -> None:
    """Keep what is news on the disk, then bring everything that waits to its receivers.

    A run of an earlier instant than the newest that was told is history, not news. Whatever could
    not be delivered is said in one line per receiver and waits for the next run.
    """
    if not receivers:
        return
    receivers = list({receiver.id: receiver for receiver in receivers}.values())
    with home.lock(f"notifications-{run.objective}"):
        spool = Spool(home.notifications(run.objective))
        changes = find_changes(spool.told.concerns, run.verdicts)
        if changes and run.at >= spool.told.at:
            _keep(spool, run, receivers, changes)
        if dropped := spool.forget_others({receiver.id for receiver in receivers}):
            log(f"dropped what waited for receivers that are no longer declared: {dropped}")
        waiting = [(each, spool.waiting(each.id)) for each in receivers]
        done = deliver([pair for pair in waiting if pair[1]], environment, patience)
        if any(delivery.taken for delivery in done):
            spool.delivered(datetime.now(UTC).isoformat(timespec="seconds"))
    for delivery in done:
        log(_said(delivery))


def _keep(
    spool: Spool, run: MonitorRun, receivers: list[Receiver], changes: tuple[Change, ...]
) -> None:
    identity = notice_id(spool.told.origin, spool.told.sequence, changes)
    bodies = {
        receiver.id: (identity, payload(receiver.format, identity, run, changes))
        for receiver in receivers
    }
    spool.add(bodies, run.at, told_after(spool.told.concerns, changes))


def _said(delivery: Delivery) -> str:
    who = f"the {delivery.receiver}"
    if not delivery.left:
        return f"told {who} what changed"
    return f"{who} {delivery.complaint}; waiting for the next run: {delivery.left}"
