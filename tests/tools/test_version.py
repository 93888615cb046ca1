"""All packages have one version: the check finds the file that differs, and writing reaches every place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools import version


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that state the version, as they are."""
    for name in version.PLACES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(version.ROOT / name, tmp_path / name)
    return tmp_path


def test_the_packages_of_this_checkout_agree() -> None:
    assert version.faults(version.ROOT) == []


@pytest.mark.parametrize("name", list(version.PLACES))
def test_a_file_that_differs_is_named(copy: Path, name: str) -> None:
    [stated] = version.stated(copy)[name]
    text = (copy / name).read_text()
    [start, end] = version.spans(version.PLACES[name], text)[0]
    (copy / name).write_text(text[:start] + "97.0.0" + text[end:])
    faults = version.faults(copy)
    assert faults
    assert all("97.0.0" in fault and stated in fault for fault in faults)


def test_a_version_is_written_everywhere(copy: Path) -> None:
    version.write(copy, "97.1.2")
    assert version.faults(copy) == []
    assert all(versions == {"97.1.2"} for versions in version.stated(copy).values())
    assert (copy / "package-lock.json").read_text().count("97.1.2") == 3
