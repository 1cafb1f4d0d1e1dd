"""A real retailer's year, played as if it were live."""
