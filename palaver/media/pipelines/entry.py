"""Where a pipeline process begins. The node imports this, but nothing of what the process will need."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from palaver.media.pipelines.confinement import confine

if TYPE_CHECKING:
    import socket

    from palaver.media.pipelines.confinement import Confinement, Limits


def main(
    target: str, control: socket.socket, frames: socket.socket, confinement: Confinement, limits: Limits
) -> None:
    """Run ``target`` ("package.module:function") in a new child with its two sockets, confined."""
    confine(confinement, limits)
    importlib.import_module("palaver.media.pipelines.child").die_with_parent()  # another user would undo it
    module, _, function = target.partition(":")
    getattr(importlib.import_module(module), function)(control, frames)
