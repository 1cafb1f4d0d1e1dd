"""Importing files: worker processes read parts, and one commit stream takes them on in order."""
