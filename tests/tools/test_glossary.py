"""Every noun that the public packages export is in the glossary."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import palaver.jobs

MODULES = (
    "palaver.room.values",
    "palaver.room.endpoints",
    "palaver.media.ports",
    "palaver.media.endpoints",
    "palaver.client",
    "palaver.backoff",
    *(module.name for module in pkgutil.iter_modules(palaver.jobs.__path__, "palaver.jobs.")),
)
GLOSSARY = Path(__file__).parent.parent.parent / "docs" / "glossary.md"

PLAIN_WORDS = {
    "resolution": "the usual word for a picture's size",
    "transcoding": "the usual word; here which kinds of it a room offers",
    "recording": "the usual word, and OWT's",
    "streamingout": "OWT's word",
    "analysis": "the usual word",
    "sip": "the protocol's name",
    "sipcall": "OWT's word",
    "notifying": "OWT's member of a room",
    "page": "a page of a list",
    "patch": "a step of an HTTP PATCH",
    "palaver": "this program",
    "asyncpalaver": "this program's client with await",
    "backoff": "the usual word",
}
PART_OF_A_NOUN = {
    "format": "the format of the noun before it",
    "parameters": "as for format",
    "state": "where the noun before it is in its life",
    "status": "as for state",
    "config": "what the noun before it is made by",
    "options": "as for config",
    "kind": "which of several the noun before it is",
    "in": "OWT's mediaIn",
    "out": "OWT's mediaOut",
    "input": "as the glossary says of mix",
    "index": "a list of the noun before it",
    "media": "the media of the noun before it",
    "audio": "the sound of the noun before it",
    "video": "the picture of the noun before it",
}
ENDS_OF_REFUSALS = ("Error", "Failed", "NotFound", "Lost", "Refused", "Unreachable")
"""Exceptions are named for what happened."""


def terms() -> set[str]:
    """The first column, without blanks and hyphens, in lower case."""
    rows = [line for line in GLOSSARY.read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [cell for row in rows for cell in row.split("|")[1].split(",")]
    return {re.sub(r"\(.*\)|[\s-]", "", cell).lower() for cell in cells}


def classes(module_name: str) -> Iterator[str]:
    """What a module, or the package behind it, defines for others."""
    for name, one in vars(importlib.import_module(module_name)).items():
        if inspect.isclass(one) and one.__module__.startswith(module_name) and not name.startswith("_"):
            yield name


def is_known(name: str, known: set[str]) -> bool:
    """Whether it is a term, its plural, a term with an attribute before it, or a plain word."""
    if name.endswith(ENDS_OF_REFUSALS):
        return True
    whole = name.lower()
    if whole in known | PLAIN_WORDS.keys() or whole.removesuffix("s") in known:
        return True
    words = [word.lower() for word in re.findall(r"[A-Z][a-z0-9]*", name)]
    return len(words) > 1 and words[-1] in known | PART_OF_A_NOUN.keys()


def test_every_exported_noun_is_in_the_glossary() -> None:
    known = terms()
    unknown = {
        f"{module}.{name}" for module in MODULES for name in classes(module) if not is_known(name, known)
    }
    assert unknown == set()


def test_the_check_finds_what_is_missing() -> None:
    known = terms()
    assert not is_known("Gadget", known)
    assert not is_known("StreamGadget", known)
    assert is_known("PullSource", known)


def test_no_allowance_is_left_over() -> None:
    names = {name for module in MODULES for name in classes(module)}
    assert PLAIN_WORDS.keys() <= {name.lower() for name in names}
    endings = {re.findall(r"[A-Z][a-z0-9]*", name)[-1].lower() for name in names if name[0].isupper()}
    assert PART_OF_A_NOUN.keys() <= endings
