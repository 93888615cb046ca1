"""At the page a meeting goes live, viewers see it on the page of their own, and a camera comes in by its URL."""

from __future__ import annotations

from playwright.async_api import BrowserContext, Page, expect

from tests.browser.test_page import enter
from tests.servers import Server, until
from tests.streaming.odd_servers import http_server, shelf
from tests.streaming.pulling import clip

PLAYS = """async () => {
  const video = document.querySelector("#video");
  const from = video.currentTime;
  await new Promise((resolve) => setTimeout(resolve, 500));
  return !video.error && video.videoWidth > 0 && from > 0.2 && video.currentTime > from + 0.2;
}"""
BRIGHTEST = """() => {
  const video = document.querySelector("#video");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [64, 36];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 64, 36);
  return Math.max(...context.getImageData(0, 0, 64, 36).data.filter((_, index) => index % 4 < 3)) > 90;
}"""


async def opened(context: BrowserContext, room: str) -> Page:
    page = await enter(context, room, "Ann")
    await page.get_by_test_id("open-streams").click()
    return page


async def test_a_meeting_goes_live_and_is_watched(context: BrowserContext, server: Server) -> None:
    context.set_default_timeout(40_000)
    page = await opened(context, "on air")
    await page.get_by_test_id("go-live").click()
    link = await page.get_by_test_id("live-link").get_attribute("href")
    assert link is not None
    viewer = await context.new_page()
    await viewer.goto(link)
    await until(viewer, PLAYS, timeout_s=60)
    await until(viewer, BRIGHTEST, timeout_s=40)  # Chromium's camera is bright
    await expect(viewer.locator("#badge")).to_have_text("Live")
    await expect(page.get_by_test_id("live-state")).to_have_text("Live", timeout=20_000)
    await page.get_by_test_id("end-live").click()
    await expect(page.get_by_test_id("live-link")).to_have_count(0)


async def test_a_camera_is_added_by_its_url_and_one_that_cannot_be_says_why(
    context: BrowserContext, server: Server
) -> None:
    context.set_default_timeout(40_000)
    page = await opened(context, "cameras")
    async with http_server(shelf(clip=clip("matroska", seconds=30))) as address:
        await page.get_by_test_id("camera-url").fill(f"{address}/none.ts")
        await page.get_by_test_id("add-camera").click()
        await expect(page.get_by_text("It cannot begin: ")).to_be_visible(timeout=20_000)
        await page.get_by_test_id("camera-url").fill(f"{address}/clip.mkv")
        await page.get_by_test_id("camera-name").fill("Front door")
        await page.get_by_test_id("add-camera").click()
        await expect(page.get_by_test_id("camera-state")).to_have_text("In the room", timeout=40_000)
        await expect(page.get_by_test_id("tile")).to_have_count(2, timeout=20_000)
        await expect(page.get_by_test_id("tile").get_by_text("Front door")).to_be_visible(timeout=20_000)
        await page.get_by_test_id("end-camera").click()
        await expect(page.get_by_test_id("tile")).to_have_count(1, timeout=20_000)


async def test_who_came_by_a_token_has_no_such_button(context: BrowserContext, server: Server) -> None:
    room = server.room("by token")
    page = await context.new_page()
    await page.goto(f"/#token={server.token(room, 'Ann')}")
    await page.get_by_test_id("lobby-join").click()
    await expect(page.get_by_test_id("tile")).to_have_count(1, timeout=20_000)
    await expect(page.get_by_test_id("open-streams")).to_be_hidden()
