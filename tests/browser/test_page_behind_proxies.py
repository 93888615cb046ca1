"""The conference page behind a proxy that ends TLS."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.test_page import HOOK, sees_and_hears
from tests.net.proxies import proxy
from tests.servers import start_server


async def enter(context: BrowserContext, address: str, user: str) -> Page:
    page = await context.new_page()
    await page.add_init_script(HOOK)
    await page.goto(address)
    await page.get_by_test_id("lobby-name").fill(user)
    await page.get_by_test_id("lobby-join").click()
    return page


@pytest.mark.parametrize(
    ("kind", "path", "strips"), [("nginx", "/rtc", False), ("caddy", "/rtc", True), ("nginx", "", True)]
)
async def test_people_meet_through_a_proxy(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, path: str, strips: bool
) -> None:
    monkeypatch.setenv("PALAVER_HTTP_BASE_PATH", path)
    folder = tmp_path / "proxy"
    folder.mkdir()
    with (
        start_server(tmp_path) as server,
        proxy(kind, folder, urlsplit(server.url).port or 0, path, strips=strips) as url,
    ):
        context = await browser.new_context(permissions=["camera", "microphone"], ignore_https_errors=True)
        ann = await enter(context, f"{url}/?room=bridge", "Ann")
        bob = await enter(context, f"{url}/?room=bridge", "Bob")
        for page in (ann, bob):
            await sees_and_hears(page, 1, timeout_s=40)
            assert page.url == f"{url}/?room=bridge"
        (cookie,) = await context.cookies(f"{url}/demo/rooms/{await room_id(ann)}/views/common")
        assert cookie["secure"]
        await ann.keyboard.press("g")
        await ann.get_by_test_id("template-large").check(force=True)
        await expect(ann.get_by_test_id("template-large")).to_be_checked()
        await ann.get_by_test_id("leave").click()
        await ann.get_by_role("link", name="Go to another room").click()
        await ann.get_by_test_id("lobby-join").wait_for()
        assert urlsplit(ann.url).path == f"{path}/"
        await context.close()


async def room_id(page: Page) -> str:
    """The id of the room, from the page's own request for its view."""
    cookies = await page.context.cookies()
    return next(one["path"].rsplit("/", 1)[1] for one in cookies if one["name"] == "palaver_demo")
