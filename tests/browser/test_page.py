"""The conference page as people use it: a name, a room, Join."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import BrowserContext, Page, expect

from tests.servers import Server, until

# What arrives, over all peer connections that the page made: frames decoded and sound energy per inbound section.
HOOK = """
window.connections = []
window.RTCPeerConnection = new Proxy(RTCPeerConnection, {
  construct(target, args) { const pc = new target(...args); connections.push(pc); return pc }
})
window.inbound = async () => {
  const found = []
  for (const pc of connections) for (const s of (await pc.getStats()).values())
    if (s.type === 'inbound-rtp')
      found.push({kind: s.kind, frames: s.framesDecoded ?? 0, energy: s.totalAudioEnergy ?? 0, width: s.frameWidth})
  return found
}
"""
SEES_AND_HEARS = """async (others) => {
  const all = await inbound()
  return all.filter(s => s.kind === 'video' && s.frames > 0).length >= others
      && all.filter(s => s.kind === 'audio' && s.energy > 0).length >= others
}"""


async def enter(context: BrowserContext, room: str, user: str) -> Page:
    """Join as a person does: open the invite link, type a name, press Join."""
    page = await context.new_page()
    await page.add_init_script(HOOK)
    await page.goto(f"/?room={room}")
    await page.get_by_test_id("lobby-name").fill(user)
    await page.get_by_test_id("lobby-join").click()
    return page


async def frames(page: Page) -> list[int]:
    return [s["frames"] for s in await page.evaluate("inbound()") if s["kind"] == "video"]


async def sees_and_hears(page: Page, others: int, timeout_s: float) -> None:
    await until(page, SEES_AND_HEARS, others, timeout_s)


async def rate(page: Page, seconds: float = 3) -> list[float]:
    """Frames decoded per second of each inbound video, over a stretch of time."""
    before = await page.evaluate("[performance.now(), null]"), await frames(page)
    await page.wait_for_timeout(seconds * 1000)  # a rate needs a stretch of time
    after = await page.evaluate("[performance.now(), null]"), await frames(page)
    took = (after[0][0] - before[0][0]) / 1000
    return [(b - a) / took for a, b in zip(before[1], after[1], strict=False)]


async def test_two_people_see_and_hear_each_other_a_third_joins_late_and_one_leaves(
    context: BrowserContext, server: Server
) -> None:
    ann = await enter(context, "lunch", "Ann")
    await ann.get_by_test_id("tile").first.wait_for()
    bob = await enter(context, "lunch", "Bob")
    await sees_and_hears(bob, 1, timeout_s=10)
    await sees_and_hears(ann, 1, timeout_s=10)
    for page in (ann, bob):
        assert min(await rate(page)) >= 15, "the other's video is not fluent"

    cem = await enter(context, "lunch", "Cem")
    for page in (ann, bob, cem):
        await sees_and_hears(page, 2, timeout_s=15)
        assert await page.get_by_test_id("tile").count() == 3

    await bob.get_by_test_id("leave").click()
    for page in (ann, cem):
        await expect(page.get_by_test_id("tile")).to_have_count(2)


WIDTH = "async ([least, most]) => (await inbound()).some(s => s.width >= least && s.width <= most)"


async def test_a_picture_is_as_large_as_its_tile_needs(context: BrowserContext, server: Server) -> None:
    """Layers are a quarter, a half and the whole of 1280 pixels, or of less where the processor is busy."""
    ann, bob = await enter(context, "sizes", "Ann"), await enter(context, "sizes", "Bob")
    await bob.set_viewport_size({"width": 1280, "height": 720})
    await until(bob, WIDTH, [480, 1280], 20)
    await bob.set_viewport_size({"width": 320, "height": 340})
    await until(bob, WIDTH, [160, 320], 20)
    await bob.keyboard.press("s")
    seen = bob.locator(".tile:not(.own)").get_by_test_id("figures")
    await expect(seen).to_have_text(re.compile("^q · .* fps · .* kbit/s · .* % lost · .* ms$"))
    sent = ann.locator(".own").get_by_test_id("figures")
    await ann.keyboard.press("s")
    await expect(sent).to_have_text(re.compile("^h · ", re.MULTILINE))
    await ann.keyboard.press("s")
    await expect(sent).to_be_hidden()


async def test_a_message_reaches_the_others(context: BrowserContext, server: Server) -> None:
    ann, bob = await enter(context, "chat", "Ann"), await enter(context, "chat", "Bob")
    for page in (ann, bob):
        await expect(page.get_by_test_id("tile")).to_have_count(2)
    await ann.get_by_test_id("open-chat").click()
    await ann.get_by_test_id("chat-input").fill("Is <b>anybody</b> hungry?")
    await ann.get_by_test_id("chat-send").click()
    await bob.get_by_test_id("open-chat").click()
    await bob.get_by_test_id("chat-log").get_by_text("Is <b>anybody</b> hungry?").wait_for()


async def test_muting_shows_to_the_others(context: BrowserContext, server: Server) -> None:
    ann, bob = await enter(context, "quiet", "Ann"), await enter(context, "quiet", "Bob")
    await sees_and_hears(bob, 1, timeout_s=10)
    await ann.get_by_test_id("toggle-mic").click()
    await bob.get_by_test_id("muted-badge").filter(visible=True).first.wait_for()


async def test_the_page_keeps_to_a_strict_content_security_policy(
    context: BrowserContext, server: Server
) -> None:
    page = await context.new_page()
    complaints: list[Any] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    answer = await page.goto("/")
    assert answer is not None
    policy = (await answer.all_headers())["content-security-policy"]
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
    await page.get_by_test_id("lobby-join").wait_for()
    assert complaints == []
