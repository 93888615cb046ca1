"""Form-encoded bodies with nested names, as old OWT scripts send them: ``options[views][0][label]=common``."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from palaver.api.wire.errors import ProtocolError

_MAX_FIELDS: Final = 1000
_MAX_DEPTH: Final = 20
_NAME: Final = re.compile(r"(?P<first>[^\[\]]+)(?P<rest>(?:\[[^\[\]]*\])*)")
_KEY: Final = re.compile(r"\[([^\[\]]*)\]")


def parse_form(body: bytes) -> dict[str, Any]:
    """The fields as nested objects and arrays; all leaves are strings. Raises ProtocolError."""
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise ProtocolError(f"body: not a form in UTF-8 with {_MAX_FIELDS} fields at most") from None
    root: dict[str, Any] = {}
    for name, value in fields:
        _insert(root, _keys(name), value)
    return {key: _arrays(value) for key, value in root.items()}


def _keys(name: str) -> list[str]:
    """``a[b][]`` as a, b and an empty key; a name with stray brackets stands for itself."""
    found = _NAME.fullmatch(name)
    if found is None:
        return [name]
    keys = [found["first"], *_KEY.findall(found["rest"])]
    if len(keys) > _MAX_DEPTH:
        raise ProtocolError("body: nested too deeply")
    return keys


def _insert(root: dict[str, Any], keys: list[str], value: str) -> None:
    node = root
    for key in keys[:-1]:
        key = key or str(len(node))
        inner = node.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ProtocolError(f"{key}: given both as a value and as an object")
        node = inner
    last = keys[-1] or str(len(node))
    known = node.get(last)
    if isinstance(known, dict):
        raise ProtocolError(f"{last}: given both as a value and as an object")
    node[last] = value


def _arrays(value: Any) -> Any:
    """Objects whose keys count from 0 become arrays."""
    if not isinstance(value, dict):
        return value
    members = {key: _arrays(member) for key, member in value.items()}
    if members and all(str(index) in members for index in range(len(members))):
        return [members[str(index)] for index in range(len(members))]
    return members
