"""Tells receivers when a verdict turns to watch or act, or clears, and nothing in between."""
