"""Which microphone and camera are used, and sharing a screen."""

from __future__ import annotations

from playwright.async_api import BrowserContext, Page, expect

from tests.browser.test_page import HOOK, enter, sees_and_hears
from tests.servers import Server, until

# The device of each track that is being sent and not silent, by kind.
SENDS = """async ([kind, id]) => connections.flatMap(pc => pc.getSenders()).some(
  ({track}) => track?.kind === kind && track.readyState === 'live' && track.getSettings().deviceId === id)"""
FIRST_LOUD = "() => document.querySelectorAll('[data-testid=meter] i.lit').length > 0"
# Chromium paints the screen that it pretends to have in one colour.
SHOWS_SCREEN = """async () => {
  const video = document.querySelector('.tile.screen video')
  return video && video.videoWidth > 0 && video.currentTime > 0
}"""


async def options(page: Page, device: str) -> list[str]:
    """The ids that can be chosen."""
    choice = page.get_by_test_id(f"choose-{device}")
    await expect(choice).to_be_enabled()
    found: list[str] = await choice.locator("option").evaluate_all("all => all.map(one => one.value)")
    return found


async def test_another_microphone_is_heard_at_once_and_used_the_next_time(
    context: BrowserContext, server: Server
) -> None:
    ann = await enter(context, "devices", "Ann")
    bob = await enter(context, "devices", "Bob")
    await sees_and_hears(bob, 1, timeout_s=15)
    await ann.keyboard.press("o")
    await until(ann, FIRST_LOUD)
    current = await ann.get_by_test_id("choose-mic").input_value()
    other = next(one for one in await options(ann, "mic") if one not in (current, "default"))
    await ann.get_by_test_id("choose-mic").select_option(other)
    await until(ann, SENDS, ["audio", other])

    await ann.get_by_test_id("leave").click()
    again = await context.new_page()
    await again.add_init_script(HOOK)
    await again.goto("/?room=devices")
    await again.get_by_text("Choose devices").click()
    await expect(again.get_by_test_id("choose-mic")).to_have_value(other)
    assert await options(again, "camera")
    await again.get_by_test_id("lobby-join").click()
    await until(again, SENDS, ["audio", other])


async def test_a_microphone_that_is_off_stays_silent_when_another_is_chosen(
    context: BrowserContext, server: Server
) -> None:
    ann = await enter(context, "silence", "Ann")
    await expect(ann.get_by_test_id("tile")).to_have_count(1)
    await ann.keyboard.press("m")
    await ann.keyboard.press("o")
    current = await ann.get_by_test_id("choose-mic").input_value()
    other = next(one for one in await options(ann, "mic") if one not in (current, "default"))
    await ann.get_by_test_id("choose-mic").select_option(other)
    await expect(ann.get_by_test_id("meter")).to_be_hidden()
    await ann.get_by_test_id("toggle-mic").click()
    await until(ann, SENDS, ["audio", other])


async def test_a_microphone_that_is_unplugged_since_is_replaced_by_another(
    context: BrowserContext, server: Server
) -> None:
    page = await context.new_page()
    await page.add_init_script("localStorage.setItem('palaver.mic', 'gone')")
    await page.goto("/?room=unplugged")
    await expect(page.get_by_test_id("meter")).to_be_visible()
    await page.get_by_text("Choose devices").click()
    await expect(page.get_by_test_id("choose-mic")).to_have_value("default")


async def test_a_shared_screen_is_large_and_goes_when_it_is_stopped(
    context: BrowserContext, server: Server
) -> None:
    ann, bob = await enter(context, "screens", "Ann"), await enter(context, "screens", "Bob")
    await sees_and_hears(bob, 1, timeout_s=15)
    await ann.get_by_test_id("share-screen").click()
    await until(bob, SHOWS_SCREEN, timeout_s=20)
    screen = bob.get_by_label("Screen of Ann")
    shared, ann_there = await screen.bounding_box(), await bob.get_by_label("Ann", exact=True).bounding_box()
    assert shared
    assert ann_there
    assert shared["width"] > 2 * ann_there["width"]
    await expect(ann.get_by_text("You are sharing your screen")).to_be_visible()
    await expect(ann.get_by_test_id("tile")).to_have_count(2)  # nobody needs a picture of their own screen
    cem = await enter(context, "screens", "Cem")
    await until(cem, SHOWS_SCREEN, timeout_s=20)
    await expect(cem.get_by_test_id("tile")).to_have_count(4)

    await ann.get_by_test_id("stop-sharing").click()
    for page in (bob, cem):
        await expect(page.get_by_label("Screen of Ann")).to_have_count(0)
    await expect(ann.get_by_test_id("stop-sharing")).to_be_hidden()
    await ann.get_by_test_id("share-screen").click()
    await until(bob, SHOWS_SCREEN, timeout_s=20)
    await ann.get_by_test_id("leave").click()
    await expect(screen).to_have_count(0)
