"""The ML Test Score: which of the 28 things to test before production are tested, and how."""
