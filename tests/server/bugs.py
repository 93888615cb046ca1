"""A whole node in this process, in which a test makes chosen functions fail, and what runs there as a task."""

from __future__ import annotations

import ast
import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from palaver.client.signing import Signer
from palaver.server import compose, services
from palaver.server.config import load
from palaver.server.data import open_directory
from tests.servers import ROOT
from tests.wire_client import WireClient

SUPER = ("5" * 24, "k" * 40)


class OurBug(Exception):
    """Nobody expects it."""


@dataclass
class Bug:
    """``name`` of ``owner`` fails at its first call, after its work where ``late``; ``met`` says that it did."""

    owner: type
    name: str
    late: bool = False
    met: int = 0

    def put(self, patch: pytest.MonkeyPatch) -> None:
        """Make it fail from now on, once."""
        real: Any = getattr(self.owner, self.name)
        if asyncio.iscoroutinefunction(real):

            @functools.wraps(real)
            async def broken(*given: Any, **named: Any) -> Any:
                return await (real(*given, **named) if self._passes() else self._fail_async(real, given))
        else:

            @functools.wraps(real)
            def broken(*given: Any, **named: Any) -> Any:
                return real(*given, **named) if self._passes() else self._fail()

        patch.setattr(self.owner, self.name, broken)

    def _passes(self) -> bool:
        return self.met > 0

    async def _fail_async(self, real: Callable[..., Any], given: tuple[Any, ...]) -> None:
        if self.late:
            await real(*given)
        self._fail()

    def _fail(self) -> None:
        self.met += 1
        raise OurBug(self.name)


@dataclass
class Node:
    """The node as others see it."""

    url: str
    service: tuple[str, str]

    async def rest(
        self, method: str, path: str, body: Any = None, who: tuple[str, str] | None = None
    ) -> httpx2.Response:
        """One signed request as the sample service, or ``who``."""
        headers = Signer(*(who or self.service)).headers()
        async with httpx2.AsyncClient(timeout=60) as http:
            return await http.request(method, self.url + path, json=body, headers=headers)

    async def ok(self, method: str, path: str, body: Any = None) -> Any:
        """The same, which must work."""
        answer = await self.rest(method, path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def room(self, **options: Any) -> str:
        """A new room."""
        return str((await self.ok("POST", "/v1/rooms", {"name": "room", "options": options}))["_id"])

    async def failures(self) -> float:
        """How many errors that nobody expected were counted, by all that counts them."""
        names = (
            *("tasks_failed_total", "media_tasks_failed_total", "portal_requests_failed"),
            *("rooms_broken", "listeners_failed"),
        )
        async with httpx2.AsyncClient(timeout=60) as http:
            lines = (await http.get(self.url + "/metrics")).text.splitlines()
        return sum(
            float(one.split()[1]) for one in lines if one.startswith(tuple(f"palaver_{n} " for n in names))
        )

    @asynccontextmanager
    async def joined(self, room: str) -> AsyncIterator[tuple[WireClient, str]]:
        """Somebody in the room."""
        token = await self.rest("POST", f"/v1/rooms/{room}/tokens", {"user": "somebody", "role": "presenter"})
        client = WireClient(self.url)
        await client.open()
        try:
            yield client, (await client.login(token.text))["id"]
        finally:
            await client.close()

    async def works(self) -> None:
        """A whole visit to a new room."""
        async with self.joined(await self.room()) as (client, _):
            await client.request("text", {"to": "all", "message": "fine"})


@asynccontextmanager
async def node(directory: Path) -> AsyncIterator[Node]:
    """A node from its start to its clean end."""
    flags: dict[str, dict[str, Any]] = {
        "http": {"port": 0},
        "media": {"port": 0, "threads": 1},
        "streaming": {"allow_test": True},
        "service": {"super_id": SUPER[0], "super_key": SUPER[1]},
    }
    config, data = load(None, {}, flags), open_directory(directory / "data")
    listening = compose.listen(config, data)
    told, greeted = compose.Told(), asyncio.Event()
    serving = asyncio.create_task(compose.serve(config, data, listening, told, greeted.set))
    try:
        async with asyncio.timeout(30):
            await asyncio.wait((serving, asyncio.create_task(greeted.wait())), return_when="FIRST_COMPLETED")
        assert greeted.is_set(), serving.result()
        store = await services.open_store(config, data)
        sample = await store.services.by_name(services.SAMPLE)
        await store.close()
        assert sample is not None
        yield Node(listening.urls()[0], (sample.id, sample.key))
        assert not serving.done(), "the server has ended"
    finally:
        told.stop.set()
        await serving


def task_sites() -> set[str]:
    """Every place where the server begins a task: module, function, and what runs in it."""
    found: set[str] = set()
    for path in sorted((ROOT / "palaver").rglob("*.py")):
        module = str(path.relative_to(ROOT / "palaver"))
        if not module.startswith(("client/", "bot/")):  # programs of others
            _visit(ast.parse(path.read_text()), module, "", found)
    return found


def _visit(node: ast.AST, module: str, inside: str, found: set[str]) -> None:
    for child in ast.iter_child_nodes(node):
        name = inside
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{inside}.{child.name}".lstrip(".")
        if isinstance(child, ast.Call) and _begins_task(ast.unparse(child.func)):
            found.add(f"{module} {name} {_first(child)}")
        _visit(child, module, name, found)


def _begins_task(called: str) -> bool:
    owner, _, verb = called.rpartition(".")
    return verb in ("create_task", "ensure_future") or (verb in ("start", "kept") and owner.endswith("tasks"))


def _first(call: ast.Call) -> str:
    """What is run: the function, whatever it is called with."""
    given = call.args[0]
    while isinstance(given, ast.Call):
        given = given.args[0] if ast.unparse(given.func).endswith("partial") else given.func
    return ast.unparse(given)
