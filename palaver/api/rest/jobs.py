"""/v1/rooms/{room}/jobs: what goes on in a room by request, beyond OWT; also what waits to be started again."""

from __future__ import annotations

from typing import Final

from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.jobs import JobInfo, job_info


async def list_jobs(call: Call) -> Answer:
    """The jobs of the room, oldest first: streaming-ins, streaming-outs, recordings and analyses, running or not."""
    return json([job_info(job) for job in call.api.jobs.of(call.room.id)])


async def get_job(call: Call) -> Answer:
    """One job: whether it runs, and if it does not, why."""
    job = call.api.jobs.get(call.room.id, call.path["job"])
    if job is None:
        raise _not_found()
    return json(job_info(job))


async def delete_job(call: Call) -> Answer:
    """Ends a job, whatever it is doing."""
    job = call.api.jobs.get(call.room.id, call.path["job"])
    if job is None or not await call.api.jobs.stop(job.id):
        raise _not_found()
    return text()


def _not_found() -> ApiError:
    return ApiError(errors.NOT_FOUND, "Resource not found")


_ALL: Final = "/rooms/{room}/jobs"
_ONE: Final = _ALL + "/{job}"

OPERATIONS: Final = (
    Operation("GET", _ALL, list_jobs, gives=list[JobInfo]),
    Operation("GET", _ONE, get_job, gives=JobInfo, errors=(errors.NOT_FOUND,)),
    Operation("DELETE", _ONE, delete_job, errors=(errors.NOT_FOUND,)),
)
