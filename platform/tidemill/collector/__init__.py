"""Takes events over HTTP from the SDKs people already use, and keeps what it acknowledged."""
