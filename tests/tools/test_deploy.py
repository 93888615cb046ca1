"""What is given for deployment is accepted by those who read it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import msgspec
import pytest

from palaver.server.config import Config

ROOT = Path(__file__).parent.parent.parent


def test_the_unit_is_accepted_by_systemd(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    unit = tmp_path / "palaver.service"
    text = (ROOT / "deploy" / "palaver.service").read_text("utf-8")
    assert "/opt/palaver/bin/palaver serve" in text
    unit.write_text(text.replace("/opt/palaver/bin/palaver", "/bin/true"))  # which exists here
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60
    )
    ours = [line for line in done.stderr.splitlines() if "palaver" in line]
    assert ours == []


def test_the_configuration_on_the_page_is_one() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    (written,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    config = msgspec.convert(tomllib.loads(written), Config)
    assert config.portal.public_url == "https://meet.example"
