"""Experiments: their statistics, their plans, and what became of them."""
