"""The connectors for export files, by the name of their format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidemill.connectors.amplitude import map_amplitude_export
from tidemill.connectors.ga4 import map_ga4
from tidemill.connectors.mixpanel import map_mixpanel_export
from tidemill.connectors.segment import map_segment_export
from tidemill.events.mapped import MappedEvent

EXPORTS: dict[str, Callable[[Mapping[str, Any]], MappedEvent]] = {
    "segment": map_segment_export,
    "mixpanel": map_mixpanel_export,
    "amplitude": map_amplitude_export,
    "ga4": map_ga4,
}
"""Each turns one record of a file into an event, or raises RefusedError."""
