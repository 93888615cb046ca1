"""The mixed view of the page: everybody in one picture and one sound, and in the places where people put them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.browser.test_page import HOOK, rate
from tests.browser.test_page_for_everybody import nothing_is_wrong
from tests.browser.test_page_in_trouble import SEES_NOW
from tests.servers import Server, until

pytestmark = pytest.mark.timeout(240)
BAND = (Path(__file__).parent / "band.js").read_text()
COLOURS = {"Ann": [200, 30, 30], "Bob": [30, 160, 30], "Cem": [40, 40, 210], "Dua": [210, 200, 40]}
HERTZ = {"Ann": 500, "Bob": 800, "Cem": 1100, "Dua": 1400}
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
FRAMERATE = 15
SMALL = {"resolution": {"width": 320, "height": 180}, "framerate": FRAMERATE}

# Each one's colour in the middle of the own place, as far as codecs keep colours.
SEES = """(wanted) => {
  const seen = Object.entries(sees())
  const same = (a, b) => a.every((part, i) => Math.abs(part - b[i]) < 45)
  return Object.entries(wanted).every(([who, colour]) =>
    seen.some(([name, found]) => name.startsWith(who) && same(found, colour)))
}"""
# Everybody's tone, for long enough; but not the own one (-1: there is none), unless by a click or two.
HEARS = """async ([tones, own]) => {
  const times = await hears(tones)
  return times.length > 0 && times.every((n, i) => i === own || n >= 15)
}"""
HEARD = "async (tones) => await hears(tones)"


def small_room(server: Server, name: str) -> str:
    """A room whose view is cheap to make."""
    return server.room(name, views=[{"label": "common", "video": {"parameters": SMALL}}])


async def player(context: BrowserContext, room: str, name: str, at: str = "") -> Page:
    """Somebody with a colour and a tone enters: by the room's name, or ``at`` an address."""
    page = await context.new_page()
    colour = f"rgb({', '.join(map(str, COLOURS[name]))})"
    await page.add_init_script(f"{HOOK}\n{BAND}\nplay({colour!r}, {HERTZ[name]})")
    await page.goto(at or f"/?room={room}")
    if not at:
        await page.get_by_test_id("lobby-name").fill(name)
    await page.get_by_test_id("lobby-join").click()
    await page.get_by_test_id("tile").first.wait_for()
    return page


async def open_view(page: Page, people: int) -> None:
    """Switch to the mixed view, and see that many in it."""
    await page.get_by_test_id("mixed-view").click()
    await expect(page.locator("[data-testid=place][data-name]")).to_have_count(people, timeout=40_000)
    await until(
        page, "() => document.querySelector('[data-testid=mixed-video]').videoWidth > 0", timeout_s=20
    )


def place(page: Page, name: str) -> Locator:
    return page.locator(f"[data-testid=place][data-name^={name}]")


async def expect_places(page: Page, *names: str) -> None:
    """Who is in the first place, the second, …"""
    for index, name in enumerate(names):
        label = re.compile(rf"^{name}\b.*place {index + 1} of")
        await expect(page.get_by_test_id("place").nth(index)).to_have_attribute("aria-label", label)


async def test_four_are_one_picture_and_one_sound_in_which_nobody_hears_itself(
    context: BrowserContext, server: Server
) -> None:
    room = small_room(server, "band")
    pages: dict[str, Page] = {}
    for name in COLOURS:
        pages[name] = await player(context, "band", name)
        await open_view(pages[name], len(pages))  # at once: then each decodes one stream and not three
    eve = await context.new_page()
    await eve.add_init_script(f"{HOOK}\n{BAND}")
    await eve.goto(f"/#token={server.token(room, 'Eve', 'viewer')}")
    await eve.get_by_test_id("lobby-join").click()
    tones = list(HERTZ.values())

    await open_view(eve, 4)
    await until(eve, SEES, COLOURS, timeout_s=40)
    await until(eve, HEARS, [tones, -1], timeout_s=40)
    assert max(await rate(eve)) > FRAMERATE * 0.6
    for number, page in enumerate(pages.values()):
        await until(page, HEARS, [tones, number], timeout_s=40)
        times = await page.evaluate(HEARD, tones)
        assert times[number] <= 3, times

    for name in ("Ann", "Cem", "Dua"):
        await pages[name].get_by_test_id("toggle-mic").click()
    await expect(place(eve, "Bob")).to_have_class(re.compile(r"\bspeaking\b"), timeout=40_000)
    await expect(eve.locator(".place.speaking")).to_have_count(1)
    await expect(place(eve, "Cem")).to_have_attribute("aria-label", re.compile("microphone off"))
    await pages["Ann"].get_by_test_id("leave").click()
    await expect_places(eve, "Bob", "Cem", "Dua")
    await until(eve, SEES, {name: COLOURS[name] for name in ("Bob", "Cem", "Dua")}, timeout_s=40)


async def test_who_listens_first_and_speaks_later_does_not_hear_itself(
    context: BrowserContext, server: Server
) -> None:
    small_room(server, "late")
    await player(context, "late", "Bob")
    ann = await context.new_page()
    await ann.add_init_script(f"{HOOK}\n{BAND}\nplay('red', {HERTZ['Ann']})")
    await ann.goto("/?room=late")
    for device in ("toggle-mic", "toggle-camera"):
        await ann.get_by_test_id(device).click()
    await ann.get_by_test_id("lobby-name").fill("Ann")
    await ann.get_by_test_id("lobby-join").click()
    await open_view(ann, 1)
    await until(ann, HEARS, [[HERTZ["Bob"]], -1], timeout_s=40)
    for device in ("toggle-mic", "toggle-camera"):
        await ann.get_by_test_id(device).click()
    await expect(place(ann, "Ann")).to_have_count(1, timeout=40_000)
    await ann.evaluate("heard = undefined")
    await until(ann, HEARS, [[HERTZ["Ann"], HERTZ["Bob"]], 0], timeout_s=40)
    assert (await ann.evaluate(HEARD, [HERTZ["Ann"], HERTZ["Bob"]]))[0] <= 3


async def test_people_switch_views_choose_layouts_and_move_each_other(
    context: BrowserContext, server: Server
) -> None:
    small_room(server, "movers")
    ann, bob = [await player(context, "movers", name) for name in ("Ann", "Bob")]
    both = {name: COLOURS[name] for name in ("Ann", "Bob")}
    await until(ann, SEES_NOW, 1, timeout_s=40)
    for page in (ann, bob):
        await open_view(page, 2)
        await expect(page.get_by_test_id("tile").first).to_be_hidden()
        await until(page, SEES, both, timeout_s=40)
    await expect_places(ann, "Ann", "Bob")
    assert len([one for one in await rate(ann) if one > 0]) == 1, "what is not seen is not received"

    await ann.get_by_test_id("template-large").check()
    await expect(ann.get_by_test_id("place")).to_have_count(6)
    await expect(bob.get_by_test_id("template-large")).to_be_checked()
    await place(ann, "Ann").drag_to(place(ann, "Bob"))
    for page in (ann, bob):
        await expect_places(page, "Bob", "Ann", "Free")
        await until(page, SEES, both, timeout_s=40)

    await place(ann, "Bob").focus()
    await ann.keyboard.press("Enter")
    await expect(place(ann, "Bob")).to_have_attribute("aria-pressed", "true")
    await ann.keyboard.press("ArrowDown")
    await ann.keyboard.press("Enter")
    await expect_places(ann, "Free", "Ann", "Free")
    assert await ann.evaluate("document.activeElement.dataset.name") == "Bob"

    await ann.keyboard.press("g")
    await expect(ann.get_by_test_id("tile").first).to_be_visible()
    await until(ann, SEES_NOW, 1, timeout_s=40)
    assert len([one for one in await rate(ann) if one > 0]) == 1, "nor is the mixed view"


async def test_who_came_by_a_token_moves_only_itself(context: BrowserContext, server: Server) -> None:
    room = small_room(server, "guests")
    ann, bob = [
        await player(context, "guests", name, f"/#token={server.token(room, name)}")
        for name in ("Ann", "Bob")
    ]
    await open_view(ann, 2)
    await expect(ann.get_by_test_id("template-large")).to_have_count(0)
    await place(ann, "Bob").click()
    await ann.get_by_text("you can only move yourself").wait_for()
    await place(ann, "Ann").click()
    await place(ann, "Bob").click()
    await expect_places(ann, "Bob", "Ann")
    await bob.close()


async def test_a_room_without_a_picture_to_mix_has_no_switch(context: BrowserContext, server: Server) -> None:
    server.room("radio", views=[{"label": "talk", "video": False}])
    ann = await player(context, "radio", "Ann")
    await expect(ann.get_by_test_id("mixed-view")).to_have_count(0)


async def test_the_mixed_view_is_for_everybody(context: BrowserContext, server: Server) -> None:
    """No violation of the rules of axe, in both schemes, on a desk and on a phone; nothing sticks out."""
    small_room(server, "axe")
    ann = await player(context, "axe", "Ann")
    await player(context, "axe", "Bob")
    await open_view(ann, 2)
    await ann.get_by_test_id("template-large").check()
    await place(ann, "Ann").click()
    await ann.emulate_media(reduced_motion="reduce")
    for width, height in ((1280, 760), (390, 800), (320, 600), (740, 360)):
        await ann.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            await ann.emulate_media(color_scheme=scheme)
            await nothing_is_wrong(ann)
