"""/openapi.json and /docs: valid, complete, and true of every answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has none
import pytest
from openapi_spec_validator import validate

from palaver.api.rest.openapi import error_kinds
from palaver.api.rest.table import OPERATIONS
from tests.compat.rest_house import ANNA, SUPER, House, live

CONTRACT = Path(__file__).parents[2] / "docs/protocol/rest.md"


async def description(house: House) -> Any:
    return (await house.client.get("/openapi.json")).json()


async def test_the_description_is_valid_openapi(house: House) -> None:
    answer = await house.client.get("/openapi.json")
    assert answer.headers["content-type"].startswith("application/json")
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    validate(document)


async def test_every_operation_is_described_with_its_refusals(house: House) -> None:
    paths = (await description(house))["paths"]
    for operation in OPERATIONS:
        for version in operation.versions:
            described = paths[version + operation.path][operation.method.lower()]
            assert described["description"], operation
            statuses = {str(status) for status, _ in error_kinds(operation)} | {"200"}
            assert set(described["responses"]) == statuses
            assert ("requestBody" in described) == (operation.takes is not None)


@pytest.mark.parametrize(
    "operation",
    [one for one in OPERATIONS if one.takes is not None],
    ids=lambda one: f"{one.method} {one.path} {one.versions}",
)
async def test_every_example_is_taken_and_fits_its_schema(house: House, operation: Any) -> None:
    document = await description(house)
    room = await house.room()
    for version in operation.versions:
        content = document["paths"][version + operation.path][operation.method.lower()]["requestBody"]
        media = content["content"]["application/json"]
        check(document, media["schema"], media["example"])
        path = version + re.sub(r"{(\w+)}", lambda name: room if name[1] == "room" else "x", operation.path)
        answer = await house.call(
            operation.method, path, media["example"], who=SUPER if operation.super_only else ANNA
        )
        assert answer.status_code != 400, answer.text


def check(document: Any, schema: Any, value: Any) -> None:
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


def schema_of(document: Any, path: str, method: str = "get", status: str = "200") -> Any:
    return document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]


async def test_answers_are_as_described(house: House) -> None:
    document = await description(house)
    room = await house.room(sip={"sipServer": "s", "username": "u", "password": "p"})
    host = await house.open(room, "ann")
    live(host, "cam", "ann")
    live(host, "sound", "ann", kinds=("audio",))
    for path, who in [
        ("/v1/rooms", None),
        ("/v1/rooms/{room}", None),
        ("/v1/rooms/{room}/streams", None),
        ("/v1.1/rooms/{room}/streams", None),
        ("/v1/rooms/{room}/participants", None),
        ("/services", SUPER),
    ]:
        url = path.replace("{room}", room)
        answer = await (house.ok("GET", url, who=who) if who else house.ok("GET", url))
        assert answer
        check(document, strict(document, schema_of(document, path)), answer)
    for path in ("/v1/rooms/{room}/streams/{stream}", "/v1.1/rooms/{room}/streams/{stream}"):
        for stream in ("cam", "sound", f"{room}-common"):
            answer = await house.ok("GET", path.replace("{room}", room).replace("{stream}", stream))
            check(document, strict(document, schema_of(document, path)), answer)


def strict(document: Any, schema: Any) -> Any:
    """``schema`` with every object closed, so that a member nobody described is found. Changes ``document``."""
    for shape in document["components"]["schemas"].values():
        if shape.get("type") == "object" and "properties" in shape:
            shape["additionalProperties"] = False
    return schema


async def test_refusals_are_as_described(house: House) -> None:
    document = await description(house)
    room = await house.room()
    for method, path, body in (
        ("GET", "/v1/rooms/{room}/streams/x", None),
        ("POST", "/v1/rooms/{room}/recordings", {}),
    ):
        answer = await house.call(method, path.replace("{room}", room), body)
        described = path.replace("/x", "/{stream}")
        schema = schema_of(document, described, method.lower(), str(answer.status_code))
        check(document, schema, answer.json())


class Loads(HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[tuple[str, str | None]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.wanted += [(tag, value) for name, value in attrs if name in {"src", "href"}]


async def test_the_page_shows_everything_and_loads_nothing(house: House) -> None:
    answer = await house.client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in answer.headers["permissions-policy"]
    page = Loads()
    page.feed(answer.text)
    assert page.wanted == [("a", "/openapi.json")]
    assert not page.tags & {"script", "link", "img", "iframe"}
    for operation in OPERATIONS:
        assert f"<code>{operation.versions[0]}{operation.path}</code>" in answer.text


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_the_description_is_for_reading_only(house: House, path: str) -> None:
    assert (await house.client.head(path)).status_code == 200
    assert (await house.client.post(path)).status_code == 404


def test_the_written_contract_names_every_path() -> None:
    contract = CONTRACT.read_text()
    for operation in OPERATIONS:
        assert f"`{operation.method} {operation.path}`" in contract, operation.path


def enums(described: Any) -> Iterator[list[Any]]:
    """Every list of words in a description."""
    if isinstance(described, dict):
        if isinstance(described.get("enum"), list):
            yield described["enum"]
        for one in described.values():
            yield from enums(one)
    elif isinstance(described, list):
        for one in described:
            yield from enums(one)


async def test_clients_can_be_generated_from_it(house: House) -> None:
    document = await description(house)
    schemas = document["components"]["schemas"]
    titles = [schema["title"] for schema in schemas.values() if "title" in schema]
    assert len(set(titles)) == len(titles)
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(set(names)) == len(names)
    for words in enums(document):
        assert len({str(word).lower() for word in words}) == len(words), words
