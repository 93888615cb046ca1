"""From decoded JSON to typed shapes, with errors that name the field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from palaver.api.wire.errors import ProtocolError
from palaver.room.bounds import MAX_CHANGES

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

MAX_INT: Final = 2**53 - 1
"""The largest integer that JSON carries safely between languages (RFC 8259 §6)."""

_PLACE: Final = re.compile(r"(?s)(?P<what>.*) - at `(?:key in )?\$(?P<where>.*)`")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>.*)`")
_BOUND: Final = re.compile(r"Expected `(?:int|float|number)` (?P<sign><=|>=|<|>) (?P<limit>\S+)")
_PATH: Final = re.compile(r"(?P<path>[A-Za-z0-9_.\[\]]+): ")
_TYPE: Final = re.compile(r"`([^`]*)`")
_TYPES: Final = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_REGEX: Final = re.compile(r"Expected `str` matching regex (?P<pattern>.*)")
_SIGNS: Final = {"<=": "≤", ">=": "≥", "<": "<", ">": ">"}


_forms: dict[str, str] = {}


def form(pattern: str, words: str) -> msgspec.Meta:
    """A constraint on text: it matches ``pattern``. ``words`` tell people what is expected, in place of the pattern."""
    _forms[repr(pattern)] = words
    return msgspec.Meta(pattern=pattern)


def check_count(changes: Sequence[object]) -> None:
    """Raise ProtocolError if a PATCH asks for too many changes at once."""
    if len(changes) > MAX_CHANGES:
        raise ProtocolError(f"body: expected at most {MAX_CHANGES} changes")


def convert(value: Any, shape: type[T], at: str = "") -> T:
    """``value`` (decoded JSON or a form) as ``shape``.

    Numeric strings count as numbers, unknown keys are dropped. ``at`` is the path of ``value`` in messages.
    Raises ProtocolError, as in ``views[0].video.maxInput: expected ≤ 256``.
    """
    try:
        return msgspec.convert(value, shape, strict=False)
    except msgspec.ValidationError as error:
        raise ProtocolError(explain(str(error), at)) from None
    except RecursionError:
        raise ProtocolError(f"{at or 'body'}: nested too deeply") from None


def explain(message: str, at: str = "") -> str:
    """A message of msgspec in our form: the path first, then what was expected there."""
    where = ""
    if place := _PLACE.fullmatch(message):
        message, where = place["what"], place["where"]
    if missing := _MISSING.fullmatch(message):
        where, message = f"{where}.{missing['field']}", "required"
    elif bound := _BOUND.fullmatch(message):
        message = f"expected {_SIGNS[bound['sign']]} {bound['limit']}"
    elif inner := _PATH.match(message):  # said by a shape of ours about one of its members
        where, message = f"{where}.{inner['path']}", message[inner.end() :]
    elif unmatched := _REGEX.fullmatch(message):
        message = f"expected {_forms.get(unmatched['pattern'], 'text of another form')}"
    elif message == "Expected `str` of length >= 1":
        message = "expected a non-empty string"
    elif message[:1].isupper():
        message = message[0].lower() + message[1:]
    path = f"{at}{where}".lstrip(".") or "body"
    return f"{path}: {_TYPE.sub(lambda found: _TYPES.get(found[1], found[1]), message)}"


def without_nulls(value: Any) -> Any:
    """``value`` without the null members of its objects, at any depth: to OWT, null means absent.

    Raises ProtocolError if it is nested too deeply to walk.
    """
    try:
        return _pruned(value)
    except RecursionError:
        raise ProtocolError("body: nested too deeply") from None


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _pruned(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_pruned(member) for member in value]
    return value
