"""Encoded frames into files and connections: what recordings and streaming-outs share."""
