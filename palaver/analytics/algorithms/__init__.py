"""The algorithms that come with the server."""
