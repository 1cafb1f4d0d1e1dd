"""Checks of models that predict the value of customers."""
