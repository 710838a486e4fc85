"""Captures of any kind, as one stream of messages."""
