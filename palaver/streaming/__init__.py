"""Streams to and from elsewhere."""
