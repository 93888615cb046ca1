"""The Socket.IO end that clients join through."""
