"""A real mixer process: the picture and the sound are right, whatever the inputs do."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from fractions import Fraction
from functools import partial

import pytest

from palaver.media.pipelines.control import Failed, PipelineKind, RemoveInput, SetInputActive, Stop
from palaver.media.pipelines.frames import Codec
from palaver.media.pipelines.process import PipelineLost
from palaver.mixing.control import (
    MIXER,
    TRANSCODER,
    AddAudioOutput,
    Area,
    Compose,
    RemoveOutput,
    Speaking,
    Tile,
)
from palaver.mixing.decoding import VideoDecoder
from palaver.mixing.video import VideoInput
from palaver.room.layout import region_sets
from palaver.room.values import Template
from tests.mixing.scenes import VIDEO_CODECS, output, plain, shade
from tests.mixing.stand_in import SERVER, StandIn, running, until

pytestmark = pytest.mark.timeout(90)
VIEW, SOUND = 1000, 2000
FULL = (Area(0.0, 0.0, 1.0, 1.0),)


def areas(base: Template, count: int) -> tuple[Area, ...]:
    """The regions for ``count`` inputs."""
    regions = next(one for one in region_sets(base, 25) if len(one) >= count)
    return tuple(
        Area(*(float(Fraction(part)) for part in (one.left, one.top, one.width, one.height)))
        for one in regions
    )


def compose(
    places: tuple[Area, ...], *, inputs: int, width: int = 640, height: int = 360, framerate: float = 30.0
) -> Compose:
    tiles = tuple(Tile(area, n if n < inputs else None) for n, area in enumerate(places))
    return Compose(
        width=width, height=height, framerate=framerate, background=(0, 0, 0), crop=False, tiles=tiles
    )


def view(codec: str = "vp8", **changes: object) -> object:
    return output(codec, VIEW, 640, 360, bitrate_kbps=2000.0, **changes)


def listener(track: int, *without: int, codec: str = "opus") -> AddAudioOutput:
    return AddAudioOutput(track=track, codec=codec, sample_rate=48_000, channels=2, without=without)


def luma(number: int) -> int:
    return 40 + number * 7


def shows(node: StandIn, places: tuple[Area, ...], inputs: int) -> bool:
    """Whether each input's shade is in its region, and nothing in the others."""
    picture = node.pictures.get(VIEW)
    if picture is None:
        return False
    found = [shade(picture, a.left + a.width / 2, a.top + a.height / 2) for a in places]
    wanted = [luma(n) if n < inputs else 16 for n in range(len(places))]
    return all(abs(one - other) <= 4 for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("base", ["fluid", "lecture"])
async def test_every_input_is_in_its_region_in_each_template(base: Template) -> None:
    async with running() as node:
        node.expect(VIEW, "vp8")
        node.pipeline.say(view())  # type: ignore[arg-type]  # a command
        for inputs in range(1, 26):
            node.add_camera(inputs - 1)
            places = areas(base, inputs)
            node.pipeline.say(compose(places, inputs=inputs))

            def everybody(count: int = inputs) -> None:
                for track in range(count):
                    node.show(track, luma(track))

            await until(partial(shows, node, places, inputs), everybody)


@pytest.mark.parametrize("codec", VIDEO_CODECS)
async def test_inputs_and_outputs_of_every_codec(codec: str) -> None:
    async with running() as node:
        node.expect(VIEW, codec)
        node.add_camera(0, codec, 320, 180)
        node.pipeline.say(compose(FULL, inputs=1))
        node.pipeline.say(view(codec))  # type: ignore[arg-type]  # a command
        await until(lambda: shows(node, FULL, 1), lambda: node.show(0, luma(0)))


async def test_everybody_hears_the_others_and_never_itself() -> None:
    hertz = [400.0, 700.0, 1000.0, 1300.0]
    async with running() as node:
        for n in range(4):
            node.add_microphone(n)
            node.expect(SOUND + n, "opus")
            node.pipeline.say(listener(SOUND + n, n))
        node.expect(SOUND + 9, "opus")
        node.pipeline.say(listener(SOUND + 9))

        def speak() -> None:
            for n in range(4):
                node.speak(n, hertz[n])

        def right(track: int, missing: int) -> bool:
            heard = node.tones(SOUND + track, hertz)
            return bool(heard) and all(
                amplitude < 0.004 if n == missing else 0.15 < amplitude < 0.25
                for n, amplitude in enumerate(heard)
            )

        await until(lambda: all(right(n, n) for n in range(4)) and right(9, -1), speak, 0.02)


async def test_listeners_who_hear_the_same_share_one_encoding() -> None:
    async with running() as node:
        node.add_microphone(0)
        for n in range(50):
            node.pipeline.say(listener(SOUND + n, 100 + n))
        await until(lambda: node.counts.get(SOUND + 49, 0) > 50, lambda: node.speak(0, 440), 0.02)
        await until(lambda: bool(node.pipeline.counters.get("audio_frames_encoded")))
        assert node.pipeline.counters["audio_frames_encoded"] < 5 * node.counts[SOUND]


@pytest.mark.parametrize("codec", ["pcmu", "pcma", "g722"])
async def test_a_telephone_speaks_with_browsers(codec: str) -> None:
    async with running() as node:
        node.add_microphone(0, codec)
        node.add_microphone(1, "opus")
        node.expect(SOUND, codec)
        node.expect(SOUND + 1, "opus")
        node.pipeline.say(listener(SOUND, 0, codec=codec))
        node.pipeline.say(listener(SOUND + 1, 1))

        def speak() -> None:
            node.speak(0, 500)
            node.speak(1, 900)

        def right() -> bool:
            phone, browser = (node.tones(SOUND + n, [500, 900]) for n in (0, 1))
            return bool(phone and browser) and (
                phone[0] < 0.01 < 0.12 < phone[1] and browser[1] < 0.01 < 0.12 < browser[0]
            )

        await until(right, speak, 0.02)


def spoke(node: StandIn, track: int) -> bool:
    return Speaking(track=track) in node.reports


async def test_the_loudest_voice_is_told_as_the_speaker() -> None:
    async with running() as node:
        for n in range(3):
            node.add_microphone(n)
        node.pipeline.say(listener(SOUND))

        def speak(loud: int) -> None:
            for n in range(3):
                node.speak(n, 400 + 100 * n, level=15 if n == loud else 60)

        for loud in (1, 2):
            await until(partial(spoke, node, loud), partial(speak, loud), 0.02)


def test_a_source_that_says_nothing_new_keeps_its_picture() -> None:
    one = VideoInput(track=0, name="Anna", decoder=VideoDecoder("vp8"), added_at=0.0)
    assert one.shown(0.5) is None
    one.picture, one.seen_at = plain(90), 0.6
    assert one.shown(3600.0) is one.picture
    one.active = False
    assert one.shown(3600.1) is one.plate is not None


async def test_a_muted_camera_shows_a_name() -> None:
    async with running() as node:
        node.expect(VIEW, "vp8")
        node.add_camera(0)
        node.pipeline.say(compose(FULL, inputs=1))
        node.pipeline.say(view())  # type: ignore[arg-type]  # a command
        await until(lambda: shows(node, FULL, 1), lambda: node.show(0, luma(0)))
        node.pipeline.say(SetInputActive(track=0, active=False))
        await until(lambda: abs(shade(node.pictures[VIEW], 0.02, 0.5) - 34) <= 4)
        node.pipeline.say(SetInputActive(track=0, active=True))
        await until(lambda: shows(node, FULL, 1), lambda: node.show(0, luma(0)))
        node.pipeline.say(RemoveInput(track=0))
        await until(lambda: shade(node.pictures[VIEW]) == 16)


async def test_a_camera_whose_first_picture_is_long_in_coming_shows_a_name() -> None:
    async with running() as node:
        node.expect(VIEW, "vp8")
        node.add_camera(0)
        node.pipeline.say(compose(FULL, inputs=1))
        node.pipeline.say(view())  # type: ignore[arg-type]  # a command
        await until(lambda: VIEW in node.pictures)
        assert shade(node.pictures[VIEW], 0.02, 0.5) == 16, "no name flashes up"
        await until(lambda: abs(shade(node.pictures[VIEW], 0.02, 0.5) - 34) <= 4)


async def test_nothing_is_decoded_or_encoded_without_a_consumer() -> None:
    async with running() as node:
        node.add_camera(0)
        node.pipeline.say(compose(FULL, inputs=1))
        node.pipeline.say(view())  # type: ignore[arg-type]  # a command
        await until(lambda: node.counts.get(VIEW, 0) > 10, lambda: node.show(0, 90))
        node.pipeline.say(RemoveOutput(track=VIEW))
        before: dict[str, float] = {}

        def still() -> bool:
            nonlocal before
            now = dict(node.pipeline.counters)
            same = now == before
            before = now
            return same

        await until(still, lambda: node.show(0, 90), 0.6)


async def test_a_second_output_of_another_form_comes_from_the_same_picture() -> None:
    async with running() as node:
        node.expect(VIEW, "vp8")
        node.expect(VIEW + 1, "h264")
        node.add_camera(0)
        node.pipeline.say(compose(FULL, inputs=1))
        node.pipeline.say(view())  # type: ignore[arg-type]  # a command
        node.pipeline.say(output("h264", VIEW + 1, 320, 180, framerate=15.0))

        def both() -> bool:
            small = node.pictures.get(VIEW + 1)
            return shows(node, FULL, 1) and small is not None and small.width == 320

        await until(both, lambda: node.show(0, luma(0)))
        first = dict(node.counts)
        await until(lambda: node.counts[VIEW] > first[VIEW] + 30, lambda: node.show(0, luma(0)))
        assert (node.counts[VIEW + 1] - first[VIEW + 1]) / (node.counts[VIEW] - first[VIEW]) < 0.7


async def test_an_output_that_cannot_be_made_is_refused_and_the_others_go_on() -> None:
    async with running() as node:
        node.add_camera(0)
        node.expect(VIEW, "vp8")
        node.pipeline.say(compose(FULL, inputs=1))
        node.pipeline.say(view())  # type: ignore[arg-type]  # a command
        node.pipeline.say(output("isac", VIEW + 1))
        node.pipeline.say(listener(SOUND, codec="isac"))
        await until(lambda: shows(node, FULL, 1), lambda: node.show(0, luma(0)))
        failed = [one for one in node.reports if isinstance(one, Failed)]
        assert [(one.track, one.reason) for one in failed] == [
            (VIEW + 1, "no codec called isac"),
            (SOUND, "no codec called isac"),
        ]


async def test_garbage_of_one_input_does_not_touch_the_others() -> None:
    dice = random.Random(7)
    places = areas("fluid", 2)
    async with running() as node:
        node.expect(VIEW, "vp8")
        for n, codec in enumerate(["vp8", "h264", "vp9", "av1", "h265"]):
            node.add_camera(n, codec)
        node.pipeline.say(compose(places, inputs=1))
        node.pipeline.say(view())  # type: ignore[arg-type]  # a command
        codecs = [Codec.H264, Codec.VP9, Codec.AV1, Codec.H265]

        def some() -> None:
            node.show(0, luma(0))
            for n, codec in enumerate(codecs, start=1):
                node.garble(n, codec, dice.randbytes(dice.randrange(400)), key=dice.random() < 0.5)

        await until(lambda: node.pipeline.counters.get("pictures_damaged", 0) > 100, some)
        await until(lambda: shows(node, places, 1), some)


@pytest.mark.parametrize(("how", "reason"), [(signal.SIGKILL, "signal 9"), (signal.SIGSTOP, "hangs")])
async def test_a_mixer_that_dies_or_hangs_is_noticed(how: signal.Signals, reason: str) -> None:
    pipeline = await SERVER.start(MIXER)
    assert pipeline.pid is not None
    os.kill(pipeline.pid, how)
    with pytest.raises(PipelineLost, match=reason):
        await pipeline.run()


async def test_a_message_that_breaks_the_form_ends_the_mixer_with_the_reason() -> None:
    pipeline = await SERVER.start(MIXER)
    node = StandIn(pipeline)
    node.frames._socket.sendall(b"\xff" * 64)
    with pytest.raises(PipelineLost, match="exited"):
        await pipeline.run()
    await node.close()
    assert any(isinstance(one, Failed) and one.track is None for one in node.reports)


async def test_a_mixer_finishes_when_told() -> None:
    pipeline = await SERVER.start(MIXER)
    async with asyncio.timeout(3):
        await pipeline.finish(Stop(), 3.0)


async def test_a_transcoder_follows_its_input() -> None:
    async with running(TRANSCODER) as node:
        node.expect(VIEW, "h264")
        node.expect(VIEW + 1, "vp8")
        node.add_camera(0, "vp8", 320, 180)
        node.pipeline.say(output("h264", VIEW, 0, 0))
        node.pipeline.say(output("vp8", VIEW + 1, 160, 90, framerate=15.0))

        def right() -> bool:
            same, small = node.pictures.get(VIEW), node.pictures.get(VIEW + 1)
            return (
                same is not None
                and small is not None
                and (same.width, small.width) == (320, 160)
                and abs(shade(same) - 99) <= 3
            )

        await until(right, lambda: node.show(0, 99))


@pytest.mark.parametrize("kind", [MIXER, TRANSCODER])
async def test_an_input_whose_tap_ended_is_seen_again_with_the_next(kind: PipelineKind) -> None:
    async with running(kind) as node:
        node.expect(VIEW, "vp8")
        node.add_camera(0)
        node.pipeline.say(compose(FULL, inputs=1))
        node.pipeline.say(view())  # type: ignore[arg-type]  # a command
        await until(lambda: shows(node, FULL, 1), lambda: node.show(0, luma(0)))
        node.pipeline.say(RemoveOutput(track=VIEW))
        node.end_track(0)
        node.expect(VIEW + 1, "vp8")
        node.pipeline.say(output("vp8", VIEW + 1, 160, 90))

        def another() -> bool:
            picture = node.pictures.get(VIEW + 1)
            return picture is not None and abs(shade(picture) - 150) <= 4

        await until(another, lambda: node.show(0, 150))


async def test_an_input_whose_tap_ended_is_heard_again_with_the_next() -> None:
    async with running() as node:
        node.add_microphone(0)
        node.expect(SOUND, "opus")
        node.pipeline.say(listener(SOUND))

        def heard(hertz: float) -> bool:
            found = node.tones(SOUND, [hertz])
            return bool(found) and found[0] > 0.1

        await until(lambda: heard(400), lambda: node.speak(0, 400), 0.02)
        node.end_track(0)
        await until(lambda: heard(1000), lambda: node.speak(0, 1000), 0.02)
