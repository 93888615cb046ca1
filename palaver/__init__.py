"""Palaver: a WebRTC conference server that speaks OWT's management REST API and client-portal protocol."""

__version__ = "0.1.0"
