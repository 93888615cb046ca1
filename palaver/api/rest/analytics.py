"""/v1/rooms/{room}/analytics: algorithms that see and hear streams; /v1/analytics/algorithms lists those there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from palaver.analytics.catalogue import CatalogueError
from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.http.body import header
from palaver.api.http.server_sent import PING_S, EventStream, written
from palaver.api.rest import outgoing
from palaver.api.rest.operations import Call, Operation, Parameter
from palaver.api.rest.paging import PAGED, asked_page, page_headers
from palaver.api.wire import errors
from palaver.api.wire.analytics import (
    Algorithms,
    Analysis,
    AnalysisEvent,
    AnalyticsRequest,
    algorithms_info,
    analysis_info,
    event_info,
)
from palaver.api.wire.errors import ProtocolError
from palaver.jobs.analysis import Analysis as Request
from palaver.jobs.analysis import analysed_stream
from palaver.jobs.kinds import JobFailed
from palaver.jobs.outgoing import WantedSound
from palaver.room.values import SubscriptionId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from palaver.analytics.catalogue import Listed
    from palaver.analytics.results import AnalysisLog
    from palaver.jobs.job import Job

MAX_STREAMS: Final = 256
"""Requests for events that may go on at the same time."""


async def list_algorithms(call: Call) -> Answer:
    """The algorithms of this server with their parameters, and the plugins that cannot be used."""
    catalogue = call.api.analyses.catalogue
    try:
        found = await catalogue.listed()
    except CatalogueError as error:
        raise ApiError(errors.REFUSED, _sentence(str(error))) from None
    return json(algorithms_info(found, catalogue.aliases))


async def list_analytics(call: Call) -> Answer:
    """The analyses that go on."""
    jobs = call.api.jobs.of(call.room.id)
    return json([_shown(call, job) for job in jobs if isinstance(job.request, Request)])


async def create_analysis(call: Call) -> Answer:
    """Starts an analysis: answered once the algorithm has started. The room starts if it does not run."""
    order = await _order(call, call.body)
    try:
        job = await call.api.jobs.start(call.room.id, order, created_ms=call.api.now_ms())
    except JobFailed as failure:
        raise ApiError(errors.REFUSED, _sentence(str(failure))) from None
    return json(_shown(call, job))


async def get_analysis(call: Call) -> Answer:
    """An analysis that goes on."""
    return json(_shown(call, _job(call)))


async def delete_analysis(call: Call) -> Answer:
    """Ends an analysis, and the stream that it shows. Its events can be read for a while."""
    if not await call.api.jobs.stop(_job(call).id):
        raise _not_found()
    return text()


async def list_events(call: Call) -> Answer | EventStream:
    """What an analysis has seen, the oldest first; also one that has ended lately.

    ``after`` leaves out what is known: it is the id of an event. Asked with ``Accept: text/event-stream``, the answer
    goes on with what is seen from now on; ``Last-Event-ID`` is the same as ``after``.
    """
    log = call.api.analyses.results.of(call.room.id, call.path["analytic"])
    if log is None:
        raise _not_found()
    last = header(call.scope, b"last-event-id").decode("latin-1")
    after = _number(call.query.get("after")) or _number(last)
    if b"text/event-stream" in header(call.scope, b"accept"):
        if call.api.analyses.listening >= MAX_STREAMS:
            raise ApiError(errors.REFUSED, f"{MAX_STREAMS} requests for events go on already")
        return EventStream(_followed(call, log, after))
    events = log.after(after)
    page = asked_page(call)
    path = f"/rooms/{call.room.id}/analytics/{log.analysis}/events"
    shown = events if page is None else events[(page.number - 1) * page.size :][: page.size]
    return json([event_info(one) for one in shown], page_headers(call, path, page, len(events)))


async def _followed(call: Call, log: AnalysisLog, last: int) -> AsyncGenerator[bytes]:
    call.api.analyses.listening += 1
    try:
        while (events := await log.newer(last, PING_S)) or not log.over:
            for one in events:
                last = one.id
                yield written(one.name, msgspec.json.encode(event_info(one)).decode(), str(one.id))
    finally:
        call.api.analyses.listening -= 1


# ── what is asked for ───────────────────────────────────────────────────────────────────────────────


async def _order(call: Call, wanted: AnalyticsRequest) -> Request:
    try:
        algorithm, refusal = await call.api.analyses.catalogue.checked(wanted.algorithm, wanted.parameters)
    except CatalogueError as error:
        raise ApiError(errors.REFUSED, _sentence(str(error))) from None
    if algorithm is None:
        raise ProtocolError(
            f"algorithm: there is no {wanted.algorithm[:100]!r}: see /v1/analytics/algorithms"
        )
    if refusal:
        raise ProtocolError(f"parameters.{refusal}")
    order = Request(
        wanted.algorithm,
        wanted.parameters,
        outgoing.sound(wanted.media.audio),
        outgoing.picture(wanted.media.video),
    )
    return _fitting(algorithm, order)


def _fitting(algorithm: Listed, order: Request) -> Request:
    """``order`` without what the algorithm does not look at. Raises ProtocolError if what it needs is not there."""
    video = order.video if algorithm.video is not None else None
    audio = order.audio if algorithm.audio is not None else None
    if algorithm.video is not None and video is None:
        raise ProtocolError(f"media.video: expected an object with from: {algorithm.name} looks at pictures")
    if algorithm.audio is not None and audio is None and video is None:
        if order.video is None:
            raise ProtocolError(f"media.audio: expected an object with from: {algorithm.name} hears sound")
        audio = WantedSound(order.video.stream)  # OWT's clients name the stream under video only
    return Request(order.algorithm, order.parameters, audio, video)


def _job(call: Call) -> Job:
    job = call.api.jobs.get(call.room.id, call.path["analytic"])
    if job is None or not isinstance(job.request, Request):
        raise _not_found()
    return job


def _not_found() -> ApiError:
    return ApiError(errors.NOT_FOUND, "Resource not found")


def _number(written: str | None) -> int:
    """A number that is no more than an id can be; 0 for anything else."""
    if written is None or not written.isascii() or not written.isdigit() or len(written) > 18:
        return 0
    return int(written)


# ── what is shown ───────────────────────────────────────────────────────────────────────────────────


def _shown(call: Call, job: Job) -> dict[str, Any]:
    order: Request = job.request
    host = call.running
    subscription = host.room.subscriptions.get(SubscriptionId(job.id)) if host is not None else None
    tracks = subscription.tracks if subscription is not None else order.tracks()
    stream = host.room.streams.get(analysed_stream(job.id)) if host is not None else None
    log = call.api.analyses.results.of(call.room.id, job.id)
    info = analysis_info(
        job.id, order, log, stream.id if stream else None, tracks, outgoing.sources_of(host, tracks)
    )
    error = job.error or (log.error if log is not None else "")
    return {**info, "error": error} if error else info


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


_ALL: Final = "/rooms/{room}/analytics"
_ONE: Final = _ALL + "/{analytic}"

OPERATIONS: Final = (
    Operation("GET", "/analytics/algorithms", list_algorithms, gives=Algorithms, errors=(errors.REFUSED,)),
    Operation("GET", _ALL, list_analytics, gives=list[Analysis]),
    Operation(
        "POST",
        _ALL,
        create_analysis,
        takes=AnalyticsRequest,
        gives=Analysis,
        errors=(errors.REFUSED,),
        example={"algorithm": "motion", "media": {"audio": False, "video": {"from": "common"}}},
    ),
    Operation("GET", _ONE, get_analysis, gives=Analysis, errors=(errors.NOT_FOUND,)),
    Operation("DELETE", _ONE, delete_analysis, errors=(errors.NOT_FOUND,)),
    Operation(
        "GET",
        _ONE + "/events",
        list_events,
        gives=list[AnalysisEvent],
        errors=(errors.NOT_FOUND, errors.REFUSED),
        query=(Parameter("after", "Leave out events up to this id."), *PAGED),
    ),
)
