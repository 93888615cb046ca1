"""The page when things go wrong: a server that dies, no camera, a full room, a used link, a very long meeting."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Browser, BrowserContext, async_playwright, expect

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.test_page import HOOK, enter, sees_and_hears
from tests.servers import Server, free_port, start_server, until

# Whether that many videos arrive on the newest connection at this moment.
SEES_NOW = """async (others) => {
  const pc = connections.findLast(c => c.connectionState === 'connected')
  if (!pc) return false
  const frames = async () => new Map([...(await pc.getStats()).values()]
    .filter(s => s.type === 'inbound-rtp' && s.kind === 'video').map(s => [s.id, s.framesDecoded]))
  const before = await frames()
  await new Promise(done => setTimeout(done, 500))
  return [...await frames()].filter(([id, n]) => n > (before.get(id) ?? 0) + 2).length >= others
}"""


async def test_everybody_is_back_after_the_server_died(browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    with start_server(tmp_path, port=port, killed=True) as server:
        context = await browser.new_context(permissions=["camera", "microphone"], base_url=server.url)
        ann, bob = await enter(context, "phoenix", "Ann"), await enter(context, "phoenix", "Bob")
        for page in (ann, bob):
            await sees_and_hears(page, 1, timeout_s=10)
        await ann.get_by_test_id("toggle-mic").click()
        await bob.get_by_test_id("muted-badge").filter(visible=True).first.wait_for()
    await ann.get_by_text("Connection lost").wait_for()
    with start_server(tmp_path, port=port):
        for page in (ann, bob):
            await until(page, SEES_NOW, 1, timeout_s=30)
            await expect(page.get_by_test_id("tile")).to_have_count(2)
            await page.get_by_text("Connection lost").wait_for(state="hidden")
        await expect(bob.get_by_test_id("muted-badge").filter(visible=True)).to_have_count(1)
        await context.close()


async def test_offers_do_not_grow_with_everybody_who_ever_came(
    context: BrowserContext, server: Server
) -> None:
    ann, bob = await enter(context, "open-day", "Ann"), await enter(context, "open-day", "Bob")
    sizes = []
    for _ in range(5):
        await expect(ann.get_by_test_id("tile")).to_have_count(2)
        await until(ann, SEES_NOW, 1)
        sizes.append(await ann.evaluate("connections[0].localDescription.sdp.length"))
        await bob.get_by_test_id("leave").click()
        await expect(ann.get_by_test_id("tile")).to_have_count(1)
        await bob.get_by_test_id("rejoin").click()
    # The first time only adds; the second one keeps the place of the first, and from then on they take turns.
    assert sizes[4] < sizes[1] * 1.1, sizes


async def test_who_has_no_camera_and_no_microphone_still_sees_and_hears(server: Server) -> None:
    async with async_playwright() as playwright:
        flags = [flag for flag in FLAGS if "fake-device" not in flag]
        poor = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        rich = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        permissions = ["camera", "microphone"]
        ann_has = await poor.new_context(permissions=permissions, base_url=server.url)
        bob_has = await rich.new_context(permissions=permissions, base_url=server.url)
        bob = await enter(bob_has, "poor", "Bob")
        ann = await enter(ann_has, "poor", "Ann")
        await sees_and_hears(ann, 1, timeout_s=15)
        await expect(bob.locator(".tile.faceless")).to_have_count(1)
        await poor.close()
        await rich.close()


async def test_a_full_room_says_so_and_lets_in_when_somebody_left(
    context: BrowserContext, server: Server
) -> None:
    server.room("tiny", participantLimit=1)
    ann = await enter(context, "tiny", "Ann")
    await expect(ann.get_by_test_id("tile")).to_have_count(1)
    bob = await enter(context, "tiny", "Bob")
    await bob.get_by_text("This room is full").wait_for()
    await ann.get_by_test_id("leave").click()
    await ann.get_by_test_id("rejoin").wait_for()
    await bob.get_by_test_id("lobby-join").click()
    await expect(bob.get_by_test_id("tile")).to_have_count(1)


async def test_a_link_with_a_token_works_once_and_then_says_why_not(
    context: BrowserContext, server: Server
) -> None:
    token = server.token(server.room("salon"), "Zoë")
    for text in ("Zoë (you)", "This link was used already"):
        page = await context.new_page()
        await page.goto(f"/#token={token}")
        await page.get_by_test_id("lobby-join").click()
        await page.get_by_text(text).wait_for()


async def test_who_may_only_watch_is_not_led_to_believe_to_be_seen(
    context: BrowserContext, server: Server
) -> None:
    room = server.room("hall")
    for user, role in (("Ann", "presenter"), ("Bob", "viewer")):
        page = await context.new_page()
        await page.add_init_script(HOOK)
        await page.goto(f"/#token={server.token(room, user, role)}")
        await page.get_by_test_id("lobby-join").click()
        await expect(page.get_by_test_id("tile").first).to_be_visible()
    await sees_and_hears(page, 1, timeout_s=10)
    await expect(page.locator(".tile.own.faceless")).to_have_count(1)
    await expect(page.get_by_test_id("toggle-camera")).to_have_count(0)
    await expect(page.get_by_test_id("toggle-mic")).to_have_count(0)


async def test_who_does_not_come_back_to_a_restarted_server_is_gone(browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    with start_server(tmp_path, port=port, killed=True) as server:
        context = await browser.new_context(permissions=["camera", "microphone"], base_url=server.url)
        ann, bob, cem = [await enter(context, "ghosts", name) for name in ("Ann", "Bob", "Cem")]
        for page in (ann, bob):
            await sees_and_hears(page, 2, timeout_s=15)
    await cem.close()
    with start_server(tmp_path, port=port):
        for page in (ann, bob):
            await expect(page.get_by_test_id("tile")).to_have_count(2, timeout=40_000)
            await until(page, SEES_NOW, 1)
        await context.close()


async def test_names_are_taken_as_people_write_them(context: BrowserContext, server: Server) -> None:
    name = "👩\N{ZERO WIDTH JOINER}💻 نیم\N{ZERO WIDTH NON-JOINER}فاصله"
    page = await enter(context, "names", name)
    await page.get_by_text(f"{name} (you)").wait_for()
