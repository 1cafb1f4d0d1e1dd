"""Tidemill's core: the words every component shares, and thin ports to the outside."""

__version__ = "0.1.0"
