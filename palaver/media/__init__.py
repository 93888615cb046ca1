"""Moves media: the engine port, the in-process engine over the Rust core, WebRTC negotiation, and the fake engine."""
