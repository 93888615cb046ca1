"""The files of the conference page."""

from __future__ import annotations

from pathlib import Path

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


def page_in(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    return folder


def test_the_page_of_a_wheel_is_taken_where_another_package_is_called_web(tmp_path: Path) -> None:
    packaged = page_in(tmp_path / "palaver" / "api" / "site")
    others = page_in(tmp_path / "web" / "dist")
    assert site._folder(tmp_path, packaged) == packaged
    (tmp_path / "pyproject.toml").write_text("")
    assert site._folder(tmp_path, packaged) == others
    assert site._folder(tmp_path / "nowhere", tmp_path / "neither") is None
