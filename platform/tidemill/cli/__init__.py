"""The command line. Each component registers its own commands through an entry point."""
