"""Checks of models that choose items."""
