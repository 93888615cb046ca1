"""What every pipeline process shares. The fork server imports this module once; its children inherit all of it.

Order matters: whatever is imported here is paid for once, and must not start a thread.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
from typing import Final

import av
import numpy as np

_PR_SET_PDEATHSIG: Final = 1


def die_with_parent() -> None:
    """Let the kernel kill this process when the thread that made it ends (prctl(2))."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _prepare_fork_server() -> None:
    die_with_parent()
    # A signal to the whole group must not end a pipeline before it could finish: it leaves when its sockets close.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["SVT_LOG"] = "-1"
    av.logging.set_level(None)
    np.zeros(1)
    gc.collect()
    gc.freeze()  # so that collecting garbage in a child does not copy the parent's pages


if os.environ.pop("PALAVER_FORK_SERVER", None) == str(os.getppid()):
    _prepare_fork_server()
