"""An error that nobody expected, in every task of a node: it ends its owner, is counted, and all else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from palaver.api.auth.readmission import Readmission
from palaver.api.portal.server import Portal
from palaver.events.webhooks import WebhookSender
from palaver.host.host import RoomHost
from palaver.host.rooms import Rooms
from palaver.jobs.archive import Archive
from palaver.jobs.jobs import Jobs
from palaver.jobs.own_recordings import OwnRecordings
from palaver.jobs.phones import Phones
from palaver.jobs.recording_index import RecordingIndex
from palaver.media.core_events import CoreEvents
from palaver.media.pipelines.process import Pipeline
from palaver.media.pipelines.supervisor import PipelineSupervisor
from palaver.media.server_side import ServerEndpoints
from palaver.mixing.pipeline import MixPipeline
from palaver.server.compose import Node as Composed
from palaver.server.connections import Limits
from palaver.server.http import HttpServer
from palaver.server.observe import LoopLag
from palaver.streaming.push import _Target
from tests.server.bugs import SUPER, Bug, Node, node, task_sites

pytestmark = [pytest.mark.net, pytest.mark.timeout(180)]

BARS: Final = {"connection": {"url": "test:bars"}, "media": {"audio": True, "video": True}}

ONLY_WAIT: Final = {
    "server/compose.py Node.run self._engine.run",
    "server/compose.py Node.run self._jobs.run",
    "server/compose.py Node.run self._own_recordings.run",
    "server/compose.py Node.run self._phones.run",
    "server/compose.py Node.run self._portal.run",
    "server/compose.py Node.run self._rooms.run",
    "server/compose.py Node.run self._server.serve",
    "server/compose.py Node.run self._webhooks.run",
    "server/compose.py Node.run own",
    "streaming/push.py PushedSink.run self._lost.wait",
}
"""They wait, and what happens meanwhile happens in tasks and calls that are tried here."""

OF_ONE_ANSWER: Final = {
    "api/http/server_sent.py EventStream._send _gone",
    "api/http/server_sent.py EventStream._send self._next",
}
"""They are part of a request, whose answer ends as it does by any error."""
OF_A_JOB: Final = {"jobs/jobs.py Jobs._until_ended job.kind.bring"}
"""An error in them is one of the job, which is tried with ``_keep`` and endpoints."""
OF_A_PART: Final = {"jobs/uploads.py Uploads.run self._keep_process"}
"""Their part is kept: it begins again as a whole, which is tried with others."""
SELDOM: Final = {
    "events/webhooks.py WebhookSender._queue self._done",
    "jobs/phones.py Phones._heard self._take",
}
"""Begun as all others are, but only where thousands of events wait, or where a telephone calls."""

AT_THE_START: Final = {
    "api/portal/server.py Portal.run self._turn_out_strangers": Bug(Portal, "_turn_out_strangers"),
    "events/webhooks.py WebhookSender.run self._load": Bug(WebhookSender, "_load"),
    "jobs/phones.py Phones.run self._read_accounts": Bug(Phones, "_read_accounts"),
    "host/rooms.py Rooms.run self._route_reports": Bug(Rooms, "_route_reports"),
    "jobs/jobs.py Jobs.run self.resume": Bug(Jobs, "resume"),
    "server/compose.py Node._keep self._tasks.kept": Bug(RecordingIndex, "run"),
    "the same, of the archive": Bug(Archive, "run"),
    "the same, of the loop's lag": Bug(LoopLag, "run"),
    "server/compose.py Node.run self._announce": Bug(Composed, "_announce", late=True),
    "server/http.py HttpServer.startup again": Bug(HttpServer, "_accept"),
    "what the listening socket does now and then": Bug(Limits, "close_stale"),
}


@dataclass
class Case:
    """How a bug is met while the node runs: by ``meet``, after what is ``prepared`` without it."""

    bug: Bug
    meet: Callable[..., Awaitable[Any]]
    prepare: Callable[[Node], Awaitable[Any]] | None = None


async def call(here: Node) -> None:
    """Open a connection, which may be closed."""
    host, port = here.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()


async def visit(here: Node) -> None:
    """Join and leave; it may be refused or cut off."""
    try:
        async with asyncio.timeout(10), here.joined(await here.room()):
            pass
    except (RuntimeError, OSError, TimeoutError, AssertionError, EOFError):
        pass


async def drop(here: Node) -> None:
    room = await here.room()
    async with here.joined(room) as (_, who):
        answer = await here.rest("DELETE", f"/v1/rooms/{room}/participants/{who}")
        assert answer.status_code == 200


async def end_service(here: Node) -> None:
    made = await here.rest("POST", "/services", {"name": "short", "key": "short" * 9}, SUPER)
    assert made.status_code == 200, made.text
    other = Node(here.url, (made.json()["_id"], "short" * 9))
    for _ in range(2):
        await other.room()
    ended = await here.rest("DELETE", f"/services/{other.service[0]}", who=SUPER)
    assert ended.status_code == 200, ended.text


async def show_bars(here: Node) -> tuple[str, str | None]:
    """The room, and the stream of the test source if it could be started."""
    room = await here.room(
        views=[{"label": "common", "video": {"parameters": {"resolution": {"width": 320, "height": 180}}}}]
    )
    answer = await here.rest("POST", f"/v1.1/rooms/{room}/streaming-ins", BARS)
    return room, answer.json()["id"] if answer.status_code == 200 else None


async def mute_bars(here: Node) -> None:
    room, stream = await show_bars(here)
    change = [{"op": "replace", "path": "/media/video/status", "value": "inactive"}]
    await here.ok("PATCH", f"/v1.1/rooms/{room}/streams/{stream}", change)


def taken(bars: tuple[str, str], **more: object) -> tuple[str, dict[str, object]]:
    room, stream = bars
    return f"/v1/rooms/{room}", {"media": {"audio": {"from": stream}, "video": {"from": stream}}, **more}


async def record(here: Node, bars: tuple[str, str]) -> None:
    room, body = taken(bars, container="auto")
    await here.rest("POST", f"{room}/recordings", body)


async def send(here: Node, bars: tuple[str, str]) -> None:
    room, body = taken(bars, protocol="hls")
    await here.rest("POST", f"{room}/streaming-outs", body)


async def record_view(here: Node, bars: tuple[str, str]) -> None:
    path, body = taken((bars[0], f"{bars[0]}-common"), container="auto")
    await here.ok("POST", f"{path}/recordings", body)


async def notify(here: Node) -> None:
    await here.ok("POST", "/v1/webhooks", {"url": f"{here.url}/nobody"})
    await visit(here)


async def record_all(here: Node) -> None:
    room = await here.room(recording={"auto": True})
    async with here.joined(room):
        pass


CASES: Final = {
    "server/http.py HttpServer._accept self._begin": Case(Bug(HttpServer, "_begin", late=True), call),
    "api/portal/server.py Portal._on_connect self._serve": Case(Bug(Portal, "_serve"), visit),
    "api/portal/server.py Portal._revoke revoke": Case(Bug(Readmission, "try_to_revoke"), drop),
    "api/rest/services.py delete_service call.api.rooms.close": Case(Bug(Rooms, "close"), end_service),
    "host/host.py RoomHost._drive self._keep_time": Case(Bug(RoomHost, "_keep_time"), visit),
    "host/host.py RoomHost._drive self._carry_out": Case(Bug(RoomHost, "_carry_out"), visit),
    "host/rooms.py Rooms._start self._run_room": Case(Bug(Rooms, "_run_room"), visit),
    "what a room does in _run_room": Case(Bug(RoomHost, "_drive"), visit),
    "jobs/jobs.py Jobs._spawn self._keep": Case(Bug(Jobs, "_keep"), show_bars),
    "jobs/jobs.py Jobs._stands self._save": Case(Bug(Jobs, "_save"), mute_bars),
    "jobs/own_recordings.py OwnRecordings.room_started.hear again": Case(
        Bug(OwnRecordings, "_record"), record_all
    ),
    "media/server_side.py ServerEndpoints.open work": Case(Bug(ServerEndpoints, "_run"), show_bars),
    "media/pipelines/supervisor.py PipelineSupervisor._watch pipeline.watch": Case(
        Bug(Pipeline, "watch"), show_bars
    ),
    "streaming/source.py ChildSource.run self._supervisor.run": Case(
        Bug(PipelineSupervisor, "run"), show_bars
    ),
    "streaming/push.py PushedSink.run target.run": Case(Bug(_Target, "run"), send, show_bars),
    "streaming/push.py _Target.run self._supervisor.run": Case(
        Bug(PipelineSupervisor, "run"), send, show_bars
    ),
    "recording/record.py RecordingSink.run self._supervisor.run": Case(
        Bug(PipelineSupervisor, "run"), record, show_bars
    ),
    "mixing/mixes.py Mixes._pipeline work": Case(Bug(MixPipeline, "begun"), record_view, show_bars),
    "events/webhooks.py WebhookSender._start self._send_all": Case(Bug(WebhookSender, "_contained"), notify),
    "an event of the core": Case(Bug(CoreEvents, "_take"), show_bars),
}

ALL_OF_THEM: Final = "containment.py OwnedTasks.start self._contained"
AT_THE_END: Final = ("server/compose.py Node.run self._drain", Bug(Composed, "_drain"))


async def counted(here: Node, before: float) -> None:
    async with asyncio.timeout(30):
        while await here.failures() <= before:  # noqa: ASYNC110  # a counter tells nobody that it changed
            await asyncio.sleep(0.05)


def test_every_task_is_tried_here() -> None:
    tried = {
        *OF_A_PART,
        *ONLY_WAIT,
        *OF_ONE_ANSWER,
        *OF_A_JOB,
        *SELDOM,
        *AT_THE_START,
        *CASES,
        ALL_OF_THEM,
        AT_THE_END[0],
    }
    assert task_sites() - tried == set(), "tasks that no case makes fail"
    assert {one for one in tried if ".py " in one} - task_sites() == set(), (
        "cases of tasks that are not there"
    )


async def test_a_node_starts_and_ends_whatever_fails_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = AT_THE_END[1]
    for bug in (*AT_THE_START.values(), ending):
        bug.put(monkeypatch)
    with capture_logs() as said:
        async with node(tmp_path) as here:
            await counted(here, len(AT_THE_START) - 1)
            assert all(bug.met == 1 for bug in AT_THE_START.values())
            await here.works()
    assert ending.met == 1
    assert sum(bool(one.get("exc_info")) for one in said) == len(AT_THE_START) + 1


async def test_a_bug_ends_its_owner_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as said:
        async with node(tmp_path) as here, here.joined(await here.room()) as (witness, _):
            for what, case in CASES.items():
                prepared = await case.prepare(here) if case.prepare else None
                before, errors = await here.failures(), len(said)
                case.bug.put(monkeypatch)
                await (case.meet(here, prepared) if case.prepare else case.meet(here))
                await counted(here, before)
                assert case.bug.met == 1, what
                assert any(one.get("exc_info") for one in said[errors:]), what
                await witness.request("text", {"to": "all", "message": what})
            await here.works()
