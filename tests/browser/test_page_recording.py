"""A meeting is recorded at the page: everybody sees it, and afterwards it is played."""

from __future__ import annotations

from playwright.async_api import BrowserContext, Page, expect

from tests.browser.test_page import enter
from tests.servers import Server, until

PLAYS = """() => {
  const video = document.querySelector('.recordings video')
  return video && !video.error && video.videoWidth > 0 && video.currentTime > 0.2
}"""
GOES_ON, PAUSED = "This meeting is being recorded", "The recording is paused"


async def reads(page: Page, text: str | None) -> None:
    """The mark says so; None: it is not seen."""
    mark = page.get_by_test_id("recorded")
    if text is None:
        await expect(mark).to_be_hidden(timeout=40_000)
    else:
        await expect(mark).to_have_text(text, timeout=40_000)


async def test_a_meeting_is_recorded_seen_by_all_paused_and_played(
    context: BrowserContext, server: Server
) -> None:
    context.set_default_timeout(40_000)
    ann = await enter(context, "minutes", "Ann")
    bob = await enter(context, "minutes", "Bob")
    await expect(ann.get_by_test_id("tile")).to_have_count(2, timeout=20_000)
    await reads(ann, None)
    await ann.keyboard.press("r")
    await ann.get_by_test_id("record-start").click()
    for page in (ann, bob):
        await reads(page, GOES_ON)
    late = await enter(context, "minutes", "Eve")
    await reads(late, GOES_ON)
    await ann.get_by_test_id("record-pause").click()
    await reads(bob, PAUSED)
    await ann.get_by_test_id("record-pause").click()
    await reads(bob, GOES_ON)
    await bob.get_by_test_id("open-recordings").click()  # whoever may record may end it
    await bob.get_by_test_id("record-stop").click()
    for page in (ann, bob, late):
        await reads(page, None)
    await until(
        ann, "() => document.querySelector('[data-testid=thumbnail]')?.naturalWidth === 320", timeout_s=40
    )
    await ann.get_by_test_id("recording-play").click()
    await until(ann, PLAYS, timeout_s=40)


async def test_who_came_by_a_token_sees_the_mark_and_has_no_button(
    context: BrowserContext, server: Server
) -> None:
    room = server.room("watched")
    page = await context.new_page()
    await page.goto(f"/#token={server.token(room, 'Ann')}")
    await page.get_by_test_id("lobby-join").click()
    await expect(page.get_by_test_id("tile")).to_have_count(1, timeout=20_000)
    view = f"{room}-common"
    media = {"audio": {"from": view}, "video": False}
    path = f"/v1/rooms/{room}/recordings"
    begun = server.rest("POST", path, {"media": media}, timeout_s=40)
    assert begun.status_code == 200, begun.text
    await reads(page, GOES_ON)
    await expect(page.get_by_test_id("open-recordings")).to_be_hidden()
    assert server.rest("DELETE", f"{path}/{begun.json()['id']}", timeout_s=40).status_code == 200
    await reads(page, None)
