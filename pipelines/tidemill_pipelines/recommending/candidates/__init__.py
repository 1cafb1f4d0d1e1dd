"""Ways to score items for a user: one interface, from popularity to attention."""
