"""Position bias: what positions do to clicks, and what another ranking would have brought."""
