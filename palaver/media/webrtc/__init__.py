"""The WebRTC kind of source and sink: sections of clients' connections."""
