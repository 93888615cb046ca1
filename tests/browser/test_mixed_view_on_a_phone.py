"""The mixed view on screens of several sizes."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext

from tests.browser.test_page import enter
from tests.servers import Server, until

pytestmark = pytest.mark.timeout(240)
VIEW = {"resolution": {"width": 640, "height": 360}, "framerate": 10}
AS_WIDE_AS = "(width) => document.querySelector('[data-testid=mixed-video]').videoWidth === width"


async def test_a_small_screen_takes_a_small_picture_and_another_when_it_is_turned(
    context: BrowserContext, server: Server
) -> None:
    server.room("pocket", views=[{"label": "common", "video": {"parameters": VIEW}}])
    page = await enter(context, "pocket", "Ann")
    await page.set_viewport_size({"width": 330, "height": 640})
    await page.get_by_test_id("mixed-view").click()
    await until(page, AS_WIDE_AS, 320, timeout_s=60)
    await page.set_viewport_size({"width": 1280, "height": 800})
    await until(page, AS_WIDE_AS, 640, timeout_s=60)
    await page.set_viewport_size({"width": 330, "height": 640})
    await until(page, AS_WIDE_AS, 320, timeout_s=60)
