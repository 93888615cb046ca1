"""A whole server analyses what clients publish: events, analysed streams, and algorithms that misbehave."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from palaver.client.signing import Signer
from tests.net import plugins
from tests.net.test_mixing import Watching, publish, until
from tests.net.test_whip import peer
from tests.servers import Server, start_server

pytestmark = [pytest.mark.net, pytest.mark.timeout(180)]
HANDLER_S = 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("palaver")
    path = plugins.written(folder / "plugins")
    settings = folder / "palaver.toml"
    settings.write_text(
        f'[streaming]\nallow_test = true\n[analytics]\npath = ["{path}"]\nhandler_s = {HANDLER_S}\n'
        "restarts = 1\nmemory_mib = 512\n"
    )
    with start_server(folder, "--config", str(settings)) as running:
        yield running


def begin(server: Server, room: str, algorithm: str, source: str, kind: str = "video", **more: Any) -> str:
    media = {"audio": False, "video": False, kind: {"from": source}}
    body = {"algorithm": algorithm, "media": media, **more}
    answer = server.rest("POST", f"/v1/rooms/{room}/analytics", body, timeout_s=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "running"
    return str(answer.json()["id"])


def events(server: Server, room: str, analysis: str, **query: int) -> list[dict[str, Any]]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    answer = server.rest("GET", f"/v1/rooms/{room}/analytics/{analysis}/events?{asked}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def named(server: Server, room: str, analysis: str, name: str) -> list[dict[str, Any]]:
    return [one for one in events(server, room, analysis) if one["name"] == name]


@asynccontextmanager
async def bars(server: Server, room: str) -> AsyncIterator[str]:
    """A stream of the server's own."""
    stream = await begun_bars(server, room)
    yield stream
    server.rest("DELETE", f"/v1/rooms/{room}/streaming-ins/{stream}")


async def begun_bars(server: Server, room: str) -> str:
    body = {"connection": {"url": "test:bars"}, "media": {"audio": True, "video": True}}
    answer = server.rest("POST", f"/v1/rooms/{room}/streaming-ins", body, timeout_s=60)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def test_what_a_client_publishes_is_seen_and_shown_to_others(server: Server) -> None:
    room = server.room("analysed")
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        await publish(stack, server, room, 1, mixed=False)  # of shade 120
        analysis = begin(server, room, "brightness", "s1")
        await until(lambda: named(server, room, analysis, "brightness"))
        seen = named(server, room, analysis, "brightness")[-1]
        assert abs(seen["data"]["level"] - 120) <= 6
        assert abs(seen["time"] / 1000 - time.time()) < 30
        shown = f"{analysis}-analysed"
        await until(
            lambda: shown in [one["id"] for one in server.rest("GET", f"/v1/rooms/{room}/streams").json()]
        )
        described = server.rest("GET", f"/v1.1/rooms/{room}/streams/{shown}").json()
        assert (described["type"], described["info"]["type"]) == ("forward", "analytics")
        assert server.rest("GET", f"/v1/rooms/{room}/analytics/{analysis}").json()["stream"] == shown
        player = await stack.enter_async_context(peer(server, f"/whep/{room}/{shown}", "viewer"))
        video = player.receive("video")
        assert (await player.start()).status_code == 201
        watching = Watching()
        task = tasks.create_task(watching.watch(video))
        await until(lambda: abs(watching.shade(0.5, 0.5) - (255 - 120)) <= 12, lambda: watching.picture)
        mix = [{"op": "add", "path": "/info/inViews", "value": "common"}]
        answer = server.rest("PATCH", f"/v1.1/rooms/{room}/streams/{shown}", mix)
        assert answer.json()["info"]["inViews"] == ["common"]
        task.cancel()
        server.rest("DELETE", f"/v1/rooms/{room}/analytics/{analysis}")
        await until(
            lambda: shown not in [one["id"] for one in server.rest("GET", f"/v1/rooms/{room}/streams").json()]
        )
        assert named(server, room, analysis, "brightness"), "what was seen is gone with the analysis"
    await until(lambda: server.rest("GET", f"/v1/rooms/{room}/jobs").json() == [])


async def test_sound_is_heard_at_the_rate_asked_for(server: Server) -> None:
    room = server.room("heard")
    async with AsyncExitStack() as stack:
        await publish(stack, server, room, 0, mixed=False)  # a tone at a fifth of full scale
        analysis = begin(server, room, "tone", "s0", kind="audio")
        await until(
            lambda: any(0.1 < one["data"]["peak"] < 0.3 for one in named(server, room, analysis, "level")),
            lambda: events(server, room, analysis)[-3:],
        )
        assert named(server, room, analysis, "level")[-1]["data"]["samples"] == 320


async def test_a_view_can_be_analysed(server: Server) -> None:
    room = server.room("view")
    async with AsyncExitStack() as stack:
        await publish(stack, server, room, 1)
        analysis = begin(server, room, "brightness", f"{room}-common")
        await until(lambda: named(server, room, analysis, "brightness"))


MISBEHAVING = {
    "raises": ("ValueError: as it was told to", "in video"),
    "exits": ("it exited with status 3", ""),
    "crashes": ("it was killed by signal 11", ""),
    "forks": ("RuntimeError: an analyzer must not start processes (os.fork)", "os.fork()"),
    "hangs": (f"'video' did not end within {HANDLER_S} s", "time.sleep(0.1)"),
    "leaks": ("MemoryError", "bytearray"),
    "writes": ("ValueError: assignment destination is read-only", "frame.array[0, 0] = 1"),
}


async def test_whatever_algorithms_do_is_reported_and_hurts_nobody_else(server: Server) -> None:
    room = server.room("misbehaving")
    async with bars(server, room) as source:
        good = begin(server, room, "brightness", source)
        bad = {name: begin(server, room, name, source) for name in MISBEHAVING}

        def failures(name: str) -> list[dict[str, Any]]:
            return named(server, room, bad[name], "failure")

        for name, (error, where) in MISBEHAVING.items():
            await until(lambda name=name: len(failures(name)) == 2, lambda name=name: failures(name))  # type: ignore[misc]
            first, last = (one["data"] for one in failures(name))
            assert first["error"] == last["error"] == error, name
            assert where in first["traceback"], name
            assert first["restart_s"] == 1.0
            assert "restart_s" not in last, "it is not started a third time"
            assert [one["session"] for one in failures(name)] == [1, 2]
        counts = named(server, room, bad["raises"], "count")
        assert [(one["session"], one["data"]["count"]) for one in counts] == [(1, 1), (1, 2), (2, 1), (2, 2)]

        def analyses() -> list[str]:
            return [one["id"] for one in server.rest("GET", f"/v1/rooms/{room}/analytics").json()]

        await until(lambda: analyses() == [good], analyses)
        before = len(events(server, room, good))
        await until(lambda: len(events(server, room, good)) > before)
        assert {one["session"] for one in events(server, room, good)} == {1}
        streams = server.rest("GET", f"/v1/rooms/{room}/streams").json()
        assert source in [one["id"] for one in streams]


async def test_an_algorithm_that_cannot_start_is_refused_with_its_reason(server: Server) -> None:
    room = server.room("refused")
    async with bars(server, room) as source:
        body = {"algorithm": "never-starts", "media": {"video": {"from": source}}}
        answer = server.rest("POST", f"/v1/rooms/{room}/analytics", body, timeout_s=60)
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, 1201)
        assert answer.json()["error"]["message"] == "RuntimeError: no model here"
        assert server.rest("GET", f"/v1/rooms/{room}/analytics").json() == []


async def test_a_slow_algorithm_gets_the_newest_picture(server: Server) -> None:
    room = server.room("slow")
    async with bars(server, room) as source:
        analysis = begin(server, room, "slow", source)
        await until(lambda: len(named(server, room, analysis, "slow")) >= 5)
        seen = named(server, room, analysis, "slow")
        assert all(one["data"]["skipped"] >= 1 for one in seen[1:])
        times = [one["data"]["time"] for one in seen]
        assert all(later - earlier >= 0.3 for earlier, later in itertools.pairwise(times))


async def test_events_are_paged_and_followed(server: Server) -> None:
    room = server.room("followed")
    async with bars(server, room) as source:
        analysis = begin(server, room, "brightness", source)
        await until(lambda: len(events(server, room, analysis)) >= 5)
        assert [one["id"] for one in events(server, room, analysis, page=2, per_page=2)] == [3, 4]
        assert [one["id"] for one in events(server, room, analysis, after=3, per_page=1)] == [4]
        headers = {**Signer(server.service, server.key).headers(), "accept": "text/event-stream"}
        url = f"{server.url}/v1/rooms/{room}/analytics/{analysis}/events"
        followed: list[dict[str, Any]] = []
        headers["last-event-id"] = "2"
        async with (
            httpx2.AsyncClient(timeout=30) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for line in answer.aiter_lines():  # until the analysis ends
                if line.startswith("data: "):
                    followed.append(json.loads(line.removeprefix("data: ")))
                    if len(followed) == 10:
                        server.rest("DELETE", f"/v1/rooms/{room}/analytics/{analysis}")
        assert [one["id"] for one in followed[:10]] == list(range(3, 13))
        assert {one["name"] for one in followed} == {"brightness"}


async def test_an_analysis_goes_on_after_a_restart(tmp_path: Path) -> None:
    settings = tmp_path / "palaver.toml"
    settings.write_text("[streaming]\nallow_test = true\n")
    with start_server(tmp_path, "--config", str(settings), killed=True) as server:
        room = server.room("restarted")
        source = await begun_bars(server, room)
        analysis = begin(server, room, "motion", source, parameters={"threshold": 0.0005})
        await until(lambda: named(server, room, analysis, "motion"))
        server.process.kill()
        server.process.wait()
    with start_server(tmp_path, "--config", str(settings)) as server:
        await until(lambda: server.rest("GET", f"/v1/rooms/{room}/analytics").json() != [])
        await until(
            lambda: server.rest("GET", f"/v1/rooms/{room}/analytics/{analysis}").json()["status"] == "running"
        )
        await until(lambda: named(server, room, analysis, "motion"))
        assert {one["session"] for one in events(server, room, analysis)} == {1}


OWT_FACES = "dc51138a8284436f873418a21ba8cfa9"
"""The id by which OWT's clients ask for faces, and for the stream in which they are framed."""


async def test_models_load_where_they_are_confined_and_by_the_ids_of_owt(server: Server) -> None:
    room = server.room("models")
    async with bars(server, room) as source:
        wanted = {"people": "video", "codes": "video", "voice": "audio", OWT_FACES: "video"}
        running = {name: begin(server, room, name, source, kind) for name, kind in wanted.items()}
        shown = f"{running[OWT_FACES]}-analysed"
        await until(
            lambda: shown in [one["id"] for one in server.rest("GET", f"/v1/rooms/{room}/streams").json()]
        )
        going_on = server.rest("GET", f"/v1/rooms/{room}/analytics").json()
        assert {one["id"] for one in going_on} == set(running.values())
        assert server.metric("analytics_analyses") >= len(wanted)  # those of other tests may be ending
        assert not [one for name in running for one in named(server, room, running[name], "failure")]
        for analysis in running.values():
            assert server.rest("DELETE", f"/v1/rooms/{room}/analytics/{analysis}").status_code == 200
