"""/v1/rooms/{room}/analytics: algorithms that look at streams."""

from __future__ import annotations

from typing import Final

from palaver.api.http.answers import Answer, ApiError, json
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.analytics import Analysis, AnalyticsRequest


async def list_analytics(call: Call) -> Answer:
    """The analyses that go on. There are none yet."""
    return json([])


async def create_analysis(call: Call) -> Answer:
    """Not available yet: a valid request is refused with 500/1201."""
    raise ApiError(errors.REFUSED, "Analyses are not available yet")


async def get_analysis(call: Call) -> Answer:
    """An analysis that goes on. There is none yet."""
    raise _not_found()


async def delete_analysis(call: Call) -> Answer:
    """Ends an analysis. There is none yet."""
    raise _not_found()


def _not_found() -> ApiError:
    return ApiError(errors.NOT_FOUND, "Resource not found")


_ALL: Final = "/rooms/{room}/analytics"
_ONE: Final = _ALL + "/{analytic}"

OPERATIONS: Final = (
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
)
