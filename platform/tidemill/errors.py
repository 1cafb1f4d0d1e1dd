"""Every error Tidemill raises on purpose.

TidemillError
├── ObjectiveError      the objective file is not valid
├── EventLogError       events cannot be read or written
├── NotReadyError       the data cannot carry the objective; refused before training
├── BundleError         a model bundle is missing or does not fit
├── OnlineStoreError    online features are missing or do not fit the bundle
├── PipelineError       a pipeline step failed; the cause is in the message
└── OperatorError       the operator cannot work as configured
"""

from __future__ import annotations


class TidemillError(Exception):
    """What happened, with the offending value in the message and the fix in `hint`."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ObjectiveError(TidemillError):
    """The objective file is not valid."""


class EventLogError(TidemillError):
    """Events cannot be read or written."""


class NotReadyError(TidemillError):
    """The data cannot carry the objective; nothing was trained."""


class BundleError(TidemillError):
    """A model bundle is missing or does not fit."""


class OnlineStoreError(TidemillError):
    """Online features are missing or do not fit the bundle."""


class PipelineError(TidemillError):
    """A pipeline step failed."""


class OperatorError(TidemillError):
    """The operator cannot work as it is configured."""


class ClusterError(TidemillError):
    """A Kubernetes cluster cannot be reached, or refused a request."""

    def __init__(
        self, message: str, hint: str | None = None, *, status: int | None = None, reason: str = ""
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        """HTTP status of the answer; None when there was none."""
        self.reason = reason
        """The API server's word for it (`Conflict`, `Invalid`), or `KindNotServed`."""
