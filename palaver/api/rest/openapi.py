"""The description of the API in OpenAPI 3.1, made from the route table and WHIP's own, and a page that shows it."""

from __future__ import annotations

import re
from collections import defaultdict
from html import escape
from typing import TYPE_CHECKING, Any, Final

import msgspec

from palaver import __version__
from palaver.api.whip import description as whip
from palaver.api.wire import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from palaver.api.rest.operations import Operation, Version

_REF: Final = "#/components/schemas/{name}"
_NAMES: Final = re.compile(r"{(\w+)}")
_SEEN_BY_ALL: Final = (errors.UNAUTHENTICATED, errors.STORE_FAILED, errors.UNEXPECTED)
_MEANINGS: Final = {
    1001: "not found",
    1002: "service not found",
    1003: "room not found",
    1004: "stream not found",
    1005: "participant not found",
    1101: "not authenticated",
    1102: "permission denied",
    1201: "the room refused or failed the operation",
    1301: "error in the request's data",
    1401: "database error",
    2001: "unexpected server error",
}


class ErrorDetail(msgspec.Struct):
    """``code`` is one of the guide's; ``message`` says what was wrong and where."""

    code: int
    message: str


class Error(msgspec.Struct):
    """What every refusal looks like."""

    error: ErrorDetail


def describe(operations: Sequence[Operation]) -> dict[str, Any]:
    """The OpenAPI document of ``operations``."""
    shapes = _shapes(operations)
    schemas, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    schema_of = dict(zip(map(repr, shapes), schemas, strict=True))
    for operation in operations:
        if operation.nulls:
            schema_of[repr(operation.takes)] = _with_nulls(schema_of[repr(operation.takes)], components)
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in operations:
        for version in operation.versions:
            paths[version + operation.path][operation.method.lower()] = _operation(
                operation, version, schema_of
            )
    paths |= whip.paths(schema_of[repr(Error)])
    for name, schema in components.items():
        if "title" in schema:  # generators name classes by it
            schema["title"] = name
    _unify_cases((paths, components))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Palaver management API",
            "version": __version__,
            "description": "The management API of the Open WebRTC Toolkit, version 4.3.1, as Palaver serves it,"
            " and WHIP and WHEP.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "mauth": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "MAuth: HMAC-SHA256 of time and nonce under the service's key.",
                },
                "bearer": whip.BEARER,
            },
        },
        "security": [{"mauth": []}],
    }


def error_kinds(operation: Operation) -> list[tuple[int, int]]:
    """Every refusal that ``operation`` may answer, as HTTP status and code."""
    kinds = {*_SEEN_BY_ALL, *operation.errors}
    if operation.super_only:
        kinds.add(errors.FORBIDDEN)
    if operation.in_room:
        kinds.add(errors.ROOM_NOT_FOUND)
    if operation.takes is not None:
        kinds |= {errors.BAD_REQUEST, errors.TOO_LARGE}
    return sorted(kinds)


def _shapes(operations: Iterable[Operation]) -> list[Any]:
    shapes = {repr(Error): Error}
    for operation in operations:
        for shape in (operation.takes, operation.gives):
            if shape is not None:
                shapes[repr(shape)] = shape
    return list(shapes.values())


def _with_nulls(schema: Any, components: dict[str, Any]) -> Any:
    """``schema`` for a body in which null means absent: its objects get variants whose members may be null."""
    if isinstance(schema, list):
        return [_with_nulls(one, components) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        given = name.removesuffix("Given") + "Given"
        if given not in components:
            components[given] = {}  # so that a shape that contains itself ends
            components[given] = _with_nulls(components[name], components)
        return {"$ref": _REF.format(name=given)}
    changed = {key: _with_nulls(value, components) for key, value in schema.items()}
    if "properties" in changed:
        required = set(schema.get("required", ()))
        changed["properties"] = {
            name: member if name in required else {"anyOf": [member, {"type": "null"}]}
            for name, member in changed["properties"].items()
        }
    return changed


def _unify_cases(described: Any) -> None:
    """List words that differ in case only once: generators make one name of them. All of them are accepted."""
    if isinstance(described, list | tuple):
        for one in described:
            _unify_cases(one)
    elif isinstance(described, dict):
        if isinstance(words := described.get("enum"), list) and all(isinstance(one, str) for one in words):
            described["enum"] = list({word.lower(): word for word in reversed(words)}.values())[::-1]
        for one in described.values():
            _unify_cases(one)


def _operation(operation: Operation, version: Version, schema_of: dict[str, Any]) -> dict[str, Any]:
    doc = (operation.handler.__doc__ or "").strip()
    name = operation.handler.__name__
    described: dict[str, Any] = {
        "operationId": name + version.replace("/", "_").replace(".", "_"),
        "tags": [_tag(operation)],
        "summary": doc.partition(". ")[0].rstrip(".").replace("``", ""),
        "description": doc.replace("``", "`"),
        "responses": _responses(operation, schema_of),
    }
    parameters = [_path_parameter(one) for one in _NAMES.findall(operation.path)]
    parameters += [
        {"name": one.name, "in": "query", "description": one.doc, "schema": {}, "example": 1}
        for one in operation.query
    ]
    if parameters:
        described["parameters"] = parameters
    if operation.takes is not None:
        content: dict[str, Any] = {"schema": schema_of[repr(operation.takes)]}
        if operation.example is not None:
            content["example"] = operation.example
        described["requestBody"] = {
            "required": operation.empty_body is None,
            "content": {"application/json": content},
        }
    return described


def _path_parameter(name: str) -> dict[str, Any]:
    # a view's stream is called by the view's label, which may hold anything
    pattern = "^.+$" if name == "stream" else "^[0-9a-zA-Z_-]+$"
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": pattern},
    }


def _responses(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    if operation.gives is not None:
        done: dict[str, Any] = {
            "description": "Done",
            "content": {"application/json": {"schema": schema_of[repr(operation.gives)]}},
        }
    else:
        text: dict[str, Any] = {"schema": {"type": "string"}}
        if operation.says:
            text["example"] = operation.says
        done = {"description": "Done", "content": {operation.media_type: text}}
    responses: dict[str, Any] = {"200": done}
    codes: dict[int, list[int]] = defaultdict(list)
    for status, code in error_kinds(operation):
        codes[status].append(code)
    for status, known in codes.items():
        responses[str(status)] = {
            "description": "; ".join(f"{code}: {_MEANINGS[code]}" for code in known),
            "content": {"application/json": {"schema": schema_of[repr(Error)]}},
        }
    return responses


def _tag(operation: Operation) -> str:
    """The resource: the last part of the path that is not a name."""
    return [part for part in operation.path.split("/") if part and not part.startswith("{")][-1]


# ── the page ────────────────────────────────────────────────────────────────────────────────────────

_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
code,pre{font:14px/1.5 ui-monospace,monospace}pre{background:#f3f5f8;padding:.8rem;overflow:auto;border-radius:6px}
details{border:1px solid #d5dbe3;border-radius:6px;margin:.4rem 0;padding:.4rem .8rem}summary{cursor:pointer}
summary b{display:inline-block;width:5rem}td{padding:.1rem 1rem .1rem 0;vertical-align:top}h2{margin-top:2rem}
@media(prefers-color-scheme:dark){body{color:#dfe5ee;background:#12161c}pre{background:#1c222b}details{border-color:#333c48}
a{color:#8ab4f8}}
"""


def page(document: dict[str, Any], link: str = "/openapi.json") -> str:
    """``document``, to which ``link`` leads, as a page of its own: no script, nothing to load from elsewhere."""
    by_tag: dict[str, list[str]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            by_tag[described["tags"][0]].append(_section(method.upper(), path, described))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(entries)}" for tag, entries in by_tag.items())
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>"
        f'<p>For machines: <a href="{escape(link)}">openapi.json</a></p>'
        f"{sections}</body></html>"
    )


def _section(method: str, path: str, described: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(response['description'])}</td></tr>"
        for status, response in described["responses"].items()
    )
    content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    example = ""
    if "example" in content:
        written = msgspec.json.format(msgspec.json.encode(content["example"]), indent=2).decode()
        example = f"<p>For example:</p><pre>{escape(written)}</pre>"
    return (
        f"<details><summary><b>{method}</b> <code>{escape(path)}</code> {escape(described['summary'])}</summary>"
        f"<p>{escape(described['description'])}</p>{example}<table>{rows}</table></details>"
    )
