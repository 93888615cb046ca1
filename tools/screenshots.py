"""Takes the pictures of the conference page that the documents show: desktop and phone, light and dark.

.venv/bin/python -m tools.screenshots       # needs a build and Debian's Chromium; writes docs/images/*.png
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.servers import start_server

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 760}},
    "phone": {
        "viewport": {"width": 390, "height": 800},
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
}
PLAYING = (
    "n => [...document.querySelectorAll('video')].filter(v => v.videoWidth && v.currentTime > 1).length >= n"
)
MIXED = """() => document.querySelector('[data-testid=mixed-video]').currentTime > 2
  && document.querySelectorAll('.place').length === 6"""
QUIET = "() => document.querySelector('#toasts').childElementCount === 0"


async def visit(browser: Browser, url: str, user: str, **screen: Any) -> Page:
    """A person in the lobby, in a browser of its own."""
    context = await browser.new_context(permissions=["camera", "microphone"], base_url=url, **screen)
    page = await context.new_page()
    await page.goto("/?room=standup")
    await page.get_by_test_id("lobby-name").fill(user)
    return page


async def enter(browser: Browser, url: str, user: str, **screen: Any) -> Page:
    """A person in the room."""
    page = await visit(browser, url, user, **screen)
    await page.get_by_test_id("lobby-join").click()
    return page


async def take(page: Page, name: str, videos: int) -> None:
    """A picture, once that many videos play and nothing passing stands in the way."""
    await page.wait_for_function(PLAYING, arg=videos, timeout=60_000)
    await page.wait_for_function(QUIET, timeout=60_000)
    await page.screenshot(path=IMAGES / f"{name}.png")


async def chat(page: Page, others: list[Page]) -> None:
    """Some words in the open panel."""
    await page.get_by_test_id("open-chat").click()
    for who, words in ((others[0], "The numbers are on https://example.org/q3"), (page, "Thanks, reading")):
        if who is not page:
            await who.keyboard.press("c")
        await who.get_by_test_id("chat-input").fill(words)
        await who.get_by_test_id("chat-send").click()
        await page.get_by_test_id("chat-log").get_by_text(words).wait_for()


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder, start_server(Path(folder)) as server:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            others = [await enter(browser, server.url, user) for user in ("Grace", "Alan")]
            for name, screen in SCREENS.items():
                for scheme in ("light", "dark"):
                    ada = await visit(browser, server.url, "Ada", color_scheme=scheme, **screen)
                    if scheme == "light":
                        await take(ada, f"lobby-{name}", 1)
                    await ada.get_by_test_id("lobby-join").click()
                    await take(ada, f"page-{name}-{scheme}", 3)
                    await ada.context.close()
            ada = await enter(browser, server.url, "Ada", color_scheme="light", **SCREENS["desktop"])
            await chat(ada, others)
            await take(ada, "page-chat", 3)
            await others[1].get_by_test_id("share-screen").click()
            await ada.get_by_test_id("open-settings").click()
            await ada.get_by_test_id("statistics").check()
            await take(ada, "page-screen", 4)
            await others[1].get_by_test_id("share-screen").click()
            await ada.get_by_test_id("statistics").uncheck()
            await ada.get_by_test_id("close-panel").click()
            await ada.get_by_test_id("mixed-view").click()
            await ada.get_by_test_id("template-large").check()
            await ada.wait_for_function(MIXED, timeout=60_000)
            await take(ada, "page-mixed", 3)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
