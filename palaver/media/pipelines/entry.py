"""Where a pipeline process begins. The node imports this, but nothing of what the process will need."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket


def main(target: str, control: socket.socket, frames: socket.socket) -> None:
    """Run ``target`` ("package.module:function") in a new child with its two sockets."""
    importlib.import_module("palaver.media.pipelines.child").die_with_parent()
    module, _, function = target.partition(":")
    getattr(importlib.import_module(module), function)(control, frames)
