"""Judges a live model that divides users into segments."""
