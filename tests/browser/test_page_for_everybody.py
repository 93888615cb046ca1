"""The page without a mouse, by ear, in the dark and on a phone."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import ROOT
from tests.browser.test_page import enter
from tests.servers import Server

AXE = (ROOT / "node_modules/axe-core/axe.min.js").read_text()
SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 760}},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
}
FITS = "() => document.documentElement.scrollWidth <= innerWidth"
CUT_OFF = """() => [...document.querySelectorAll('button, input, select, a')].filter(one => {
  const {left, right, width} = one.getBoundingClientRect()
  return width > 0 && (left < -0.5 || right > innerWidth + 0.5)
}).map(one => one.outerHTML)"""


async def nothing_is_wrong(page: Page) -> None:
    """What axe finds of WCAG 2.2 A and AA and its best practices, and what sticks out of the window."""
    # Colours on their way are no colours to judge.
    await page.evaluate("Promise.all(document.getAnimations().map(one => one.finished.catch(() => null)))")
    await page.evaluate(AXE)
    found = await page.evaluate("async () => (await axe.run()).violations")
    assert [
        (one["id"], one["help"], [(node["html"], node["failureSummary"]) for node in one["nodes"]])
        for one in found
    ] == []
    assert await page.evaluate(FITS), "the page is wider than the window"
    assert await page.evaluate(CUT_OFF) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
async def test_axe_finds_nothing_on_any_screen(
    browser: Browser, server: Server, screen: str, scheme: Literal["light", "dark"]
) -> None:
    context = await browser.new_context(
        permissions=["camera", "microphone"], base_url=server.url, color_scheme=scheme, **SCREENS[screen]
    )
    page = await context.new_page()
    await page.goto(f"/?room=all-{screen}-{scheme}")
    await page.get_by_text("Choose devices").click()
    await nothing_is_wrong(page)
    await page.get_by_test_id("lobby-join").click()
    await page.get_by_text("Please tell the others your name.").wait_for()
    await nothing_is_wrong(page)
    await page.get_by_test_id("lobby-name").fill("Ann")
    await page.get_by_test_id("lobby-join").click()
    await page.get_by_text("You are the first one here").wait_for()
    await nothing_is_wrong(page)

    bob = await enter(context, f"all-{screen}-{scheme}", "Bob")
    await expect(page.get_by_test_id("tile")).to_have_count(2)
    await bob.get_by_test_id("leave").wait_for()  # the keys are the conference's from now on
    await bob.keyboard.press("m")
    await page.get_by_test_id("muted-badge").filter(visible=True).first.wait_for()
    await page.keyboard.press("s")
    await page.get_by_test_id("figures").first.wait_for()
    for panel in ("recordings", "chat", "people", "settings"):
        await page.get_by_test_id(f"open-{panel}").click()
        await nothing_is_wrong(page)
        await page.get_by_test_id("close-panel").click()
    await page.get_by_test_id("leave").click()
    await page.get_by_test_id("rejoin").wait_for()
    await nothing_is_wrong(page)
    await context.close()


async def test_a_conference_by_keyboard_alone(context: BrowserContext, server: Server) -> None:
    page = await context.new_page()
    await page.goto("/?room=keys")
    await expect(page.get_by_test_id("lobby-name")).to_be_focused()
    await page.keyboard.type("Ann")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("tile")).to_have_count(1)

    async def pressed(name: str) -> str | None:
        return await page.get_by_test_id(name).get_attribute("aria-pressed")

    for key, button in (("m", "toggle-mic"), ("v", "toggle-camera")):
        await page.keyboard.press(key)
        await expect(page.get_by_test_id(button)).to_have_attribute("aria-pressed", "false")
    assert await pressed("share-screen") == "false"
    await page.keyboard.press("c")
    await expect(page.get_by_test_id("chat-input")).to_be_focused()
    await page.keyboard.type("my vow")  # letters are letters here
    await page.keyboard.press("Enter")
    await page.get_by_test_id("chat-log").get_by_text("my vow").wait_for()
    assert await pressed("toggle-mic") == "false"
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("open-chat")).to_be_focused()

    async def focused() -> str | None:
        found: str | None = await page.evaluate("document.activeElement.dataset.testid")
        return found

    reached = set()
    for _ in range(12):
        await page.keyboard.press("Tab")
        reached.add(await focused())
    assert reached >= {"toggle-mic", "toggle-camera", "share-screen", "leave", "open-settings", "open-people"}
    await page.get_by_test_id("leave").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("rejoin")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("tile")).to_have_count(1)
