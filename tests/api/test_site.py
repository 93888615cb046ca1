"""The files of the conference page."""

from __future__ import annotations

import httpx
from starlette.applications import Starlette

from palaver.api import site


async def test_a_file_that_is_not_there_is_refused_like_any_other_resource() -> None:
    transport = httpx.ASGITransport(Starlette(routes=site.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://palaver.example") as client:
        for path in ("/nowhere.txt", "/assets/nowhere.js"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert answer.json() == {"error": {"code": 1001, "message": "Resource not found"}}
            assert answer.headers["content-type"] == "application/json; charset=utf-8"
