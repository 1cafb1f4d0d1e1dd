"""Sample data to try Tidemill on."""
