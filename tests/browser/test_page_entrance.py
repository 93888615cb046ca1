"""Coming in at the page: from another machine, by a link, or not at all."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, expect

from palaver.server import addresses
from tests.browser.test_page import HOOK, enter, sees_and_hears
from tests.net.test_command_line import run
from tests.servers import Server, start_server

# Labels above their lists, lists wide enough to read and high enough to press, nothing over anything.
LEGIBLE = """() => {
  const boxes = [...document.querySelectorAll('.device-choice .field')].map((field) => {
    const [label, select] = [field.querySelector('label'), field.querySelector('select')]
    const [above, below] = [label.getBoundingClientRect(), select.getBoundingClientRect()]
    const seen = document.elementFromPoint(below.left + below.width / 2, below.top + below.height / 2) === select
    return seen && above.bottom <= below.top + 1 && below.width >= 180 && below.height >= 36
        && getComputedStyle(select).opacity === '1' && above.height < 30
  })
  const [first, second] = [...document.querySelectorAll('.device-choice .field')].map((f) => f.getBoundingClientRect())
  const apart = first.right <= second.left || first.bottom <= second.top
  return boxes.length === 2 && boxes.every(Boolean) && apart
}"""


def elsewhere() -> str:
    """An address of this machine that is not loopback, as somebody at another machine would use."""
    found = [a for a in addresses.media_addresses("0.0.0.0") if not a.startswith("127.") and ":" not in a]
    if not found:
        pytest.skip("this machine has no address but loopback")
    return found[0]


@pytest.mark.parametrize("demo", [True, False])
async def test_from_another_machine_people_meet_with_demo_and_are_told_what_is_missing_without(
    browser: Browser, tmp_path: Path, demo: bool
) -> None:
    there = elsewhere()
    flags = ["--host", "0.0.0.0"] + (["--demo"] if demo else [])
    with start_server(tmp_path, *flags, scheme="https") as server:
        base = server.url.replace("127.0.0.1", there)
        context = await browser.new_context(
            permissions=["camera", "microphone"], base_url=base, ignore_https_errors=True
        )
        if demo:
            ann, bob = await enter(context, "afar", "Ann"), await enter(context, "afar", "Bob")
            for page in (ann, bob):
                await sees_and_hears(page, 1, timeout_s=30)
        else:
            page = await context.new_page()
            await page.goto("/")
            await page.get_by_text("You need an invitation").wait_for()
            await page.get_by_text("palaver serve --demo").wait_for()
            await expect(page.get_by_role("button")).to_have_count(0)
        assert ("by invitation only" in server.log()) is not demo
        await context.close()


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_chooser_of_devices_is_legible_everywhere(
    context: BrowserContext, server: Server, width: int
) -> None:
    page = await context.new_page()
    await page.set_viewport_size({"width": width, "height": 900})
    await page.add_init_script(HOOK)
    await page.goto(f"/?room=devices-{width}")
    await page.get_by_text("Choose devices").click()
    await page.get_by_test_id("choose-mic").scroll_into_view_if_needed()
    assert await page.evaluate(LEGIBLE)
    await page.get_by_test_id("lobby-name").fill("Ann")
    await page.get_by_test_id("lobby-join").click()
    await expect(page.get_by_test_id("tile")).to_have_count(1)
    await page.keyboard.press("o")
    await page.get_by_test_id("choose-camera").wait_for()
    assert await page.evaluate(LEGIBLE)


async def test_a_reload_leads_back_into_the_room_and_leaving_does_not(
    context: BrowserContext, server: Server
) -> None:
    ann, bob = await enter(context, "boomerang", "Ann"), await enter(context, "boomerang", "Bob")
    await expect(bob.get_by_test_id("tile")).to_have_count(2)
    assert await bob.title() == "boomerang · Palaver"
    await bob.reload()
    await sees_and_hears(bob, 1, timeout_s=30)
    await expect(ann.get_by_test_id("tile")).to_have_count(2)
    await bob.get_by_test_id("leave").click()
    await bob.get_by_test_id("rejoin").wait_for()
    await bob.reload()
    await bob.get_by_test_id("lobby-join").wait_for()
    await expect(ann.get_by_test_id("tile")).to_have_count(1)
    await expect(bob.get_by_test_id("tile")).to_have_count(0)


async def test_a_link_to_a_full_room_lets_in_once_there_is_space_and_then_never_again(
    context: BrowserContext, server: Server
) -> None:
    room = server.room("narrow", participantLimit=1)
    ann = await context.new_page()
    await ann.goto(f"/#token={server.token(room, 'Ann')}")
    await ann.get_by_test_id("lobby-join").click()
    await expect(ann.get_by_test_id("tile")).to_have_count(1)
    link = f"/#token={server.token(room, 'Bob')}"
    bob = await context.new_page()
    await bob.goto(link)
    await bob.get_by_test_id("lobby-join").click()
    await bob.get_by_text("This room is full").wait_for()
    await ann.get_by_test_id("leave").click()
    await bob.get_by_test_id("lobby-join").click()
    await expect(bob.get_by_test_id("tile")).to_have_count(1)
    again = await context.new_page()
    await again.goto(link)
    await again.get_by_test_id("lobby-join").click()
    await again.get_by_text("This link cannot be used").wait_for()
    await expect(again.get_by_test_id("lobby-join")).to_have_count(0)


async def test_an_invitation_opens_a_closed_server_and_survives_a_reload(
    browser: Browser, tmp_path: Path
) -> None:
    there = elsewhere()
    with start_server(tmp_path, "--host", "0.0.0.0", scheme="https") as server:
        made = run(
            "invite", "--room", "guests", "--create", "--uses", "2", "--data-dir", str(server.data_dir)
        )
        link = urlsplit(made.stdout.strip())
        base = f"https://{there}:{link.port}"
        contexts = [
            await browser.new_context(
                permissions=["camera", "microphone"], base_url=base, ignore_https_errors=True
            )
            for _ in range(3)
        ]
        pages = []
        for context, name in zip(contexts, ("Ann", "Bob"), strict=False):
            page = await context.new_page()
            await page.add_init_script(HOOK)
            await page.goto(f"/#{link.fragment}")
            await expect(page.get_by_test_id("lobby-lead")).to_contain_text("guests")
            await page.get_by_test_id("lobby-name").fill(name)
            await page.get_by_test_id("lobby-join").click()
            pages.append(page)
        for page in pages:
            await sees_and_hears(page, 1, timeout_s=30)
        await pages[0].reload()
        for page in pages:
            await sees_and_hears(page, 1, timeout_s=30)
        third = await contexts[2].new_page()
        await third.goto(f"/#{link.fragment}")
        await third.get_by_text("This link cannot be used").wait_for()
        await third.get_by_text("This invitation was used already.").wait_for()
        for context in contexts:
            await context.close()
