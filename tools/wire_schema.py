"""Print the JSON Schema of all portal messages, or write it where the TypeScript client is generated from.

python -m tools.wire_schema            print
python -m tools.wire_schema --write    write client/wire.schema.json
python -m tools.wire_schema --check    fail if that file is out of date
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from palaver.api.wire import portal, stream_info

TARGET = Path(__file__).resolve().parent.parent / "client" / "wire.schema.json"


UNIONS = {
    "StreamInfo": stream_info.StreamInfo,
    "StreamControl": portal.StreamControl,
    "SubscriptionControl": portal.SubscriptionControl,
    "ParticipantNotification": portal.ParticipantNotification,
    "StreamNotification": portal.StreamNotification,
    "ProgressNotification": portal.ProgressNotification,
}
"""Unions that deserve a name in the generated types; Python's own aliases have none."""


def document() -> dict[str, Any]:
    """The schema, draft 2020-12, rooted at PortalProtocol; every named message is in ``$defs``."""
    (root, *unions), definitions = msgspec.json.schema_components(
        [portal.PortalProtocol, *UNIONS.values()], ref_template="#/$defs/{name}"
    )
    named = dict(zip(UNIONS, unions, strict=True))
    definitions = {name: closed(refer(definition, named)) for name, definition in definitions.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "$defs": dict(sorted((definitions | named).items())),
    }


def refer(schema: Any, named: dict[str, dict[str, Any]]) -> Any:
    """The schema with every inline copy of a named one replaced by a reference to it."""
    for name, definition in named.items():
        if schema == definition:
            return {"$ref": f"#/$defs/{name}"}
    if isinstance(schema, dict):
        return {key: refer(value, named) for key, value in schema.items()}
    if isinstance(schema, list):
        return [refer(value, named) for value in schema]
    return schema


def closed(definition: dict[str, Any]) -> dict[str, Any]:
    """Say that a type has no other members, so that generated types carry no index signature."""
    if definition.get("type") == "object":
        return {**definition, "additionalProperties": False}
    return definition


def text() -> str:
    """The document as it is stored."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Run as a command; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.write:
        TARGET.write_text(text(), encoding="utf-8")
    elif options.check:
        if TARGET.read_text(encoding="utf-8") != text():
            print(f"{TARGET} is out of date: run python -m tools.wire_schema --write", file=sys.stderr)
            return 1
    else:
        print(text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
