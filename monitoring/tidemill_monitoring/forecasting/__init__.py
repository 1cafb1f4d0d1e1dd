"""What a count should be, and how far from that it may lie: shared by all who watch volumes."""
