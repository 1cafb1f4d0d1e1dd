"""Serving: the Open Inference Protocol server for Tidemill bundles."""
