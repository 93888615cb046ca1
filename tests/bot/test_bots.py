"""Bots in rooms of a whole server: they speak, hear, see, write, are interrupted, and are told when it is over."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from palaver.bot import RATE, BotError, Refused, Room, RoomChange, join
from tests.servers import Server, free_port, start_server

pytestmark = pytest.mark.net
T = TypeVar("T")
EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_server(tmp_path_factory.mktemp("bots")) as running:
        yield running


@contextlib.asynccontextmanager
async def bot(server: Server, room: str, user: str) -> AsyncIterator[Room]:
    async with join(server.url, server.token(room, user)) as joined:
        yield joined


def tone(hertz: float, seconds: float, rate: int = RATE) -> np.ndarray[Any, Any]:
    wave: np.ndarray[Any, Any] = 0.4 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    return wave.astype(np.float32)


def hertz_of(samples: np.ndarray[Any, Any]) -> float:
    """The loudest frequency."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE / len(samples))


async def first_of(several: AsyncIterator[T]) -> T:
    return await anext(several)


def user_of(change: RoomChange) -> str:
    assert change.participant is not None
    return change.participant.user


async def test_an_echo_bot_says_back_what_it_hears(server: Server) -> None:
    where = server.room("echo")
    echo = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / "echo_bot.py"), server.url, server.token(where, "echo"),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert echo.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await echo.stdout.readline() == b"in the room as echo\n"
            async with bot(server, where, "ann") as ann, asyncio.TaskGroup() as tasks:
                voice = await ann.publish_audio()
                texts = tasks.create_task(first_of(ann.texts()))
                heard = tasks.create_task(first_of(ann.turns()))
                saying = tasks.create_task(say_until(voice, tone(440, 0.7), heard))
                turn, text = await heard, await texts
                saying.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            echo.kill()
        await echo.wait()
    assert turn.participant.user == text.participant.user == "echo"
    assert abs(hertz_of(turn.samples) - 440) < 5
    assert text.message.startswith("ann: ")


async def say_until(voice: Any, samples: np.ndarray[Any, Any], heard: asyncio.Future[Any]) -> None:
    """Speak, wait for a while, and speak again: whoever was not yet listening has another chance."""
    while not heard.done():
        await voice.play(samples, barge_in=False)
        await asyncio.wait([heard], timeout=5)


async def test_two_who_speak_are_not_taken_for_each_other(server: Server) -> None:
    where = server.room("two")
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        ear, low, high = [
            await stack.enter_async_context(bot(server, where, name)) for name in ("ear", "low", "high")
        ]
        voices = {"low": await low.publish_audio(), "high": await high.publish_audio(16_000)}
        tones = {"low": tone(300, 0.6), "high": tone(900, 0.6, 16_000)}
        found: dict[str, float] = {}
        async with asyncio.TaskGroup() as tasks:
            done = asyncio.get_running_loop().create_future()
            for name, voice in voices.items():
                tasks.create_task(say_until(voice, tones[name], done))
            async for turn in ear.turns():
                found[turn.participant.user] = hertz_of(turn.samples)
                if len(found) == 2:
                    break
            done.set_result(None)
    assert abs(found["low"] - 300) < 5
    assert abs(found["high"] - 900) < 5


async def test_whoever_speaks_interrupts_a_bot(server: Server) -> None:
    where = server.room("interrupted")
    async with asyncio.timeout(60), bot(server, where, "ann") as ann, bot(server, where, "talker") as talker:
        speech = await talker.publish_audio()
        voice = await ann.publish_audio()
        async with asyncio.TaskGroup() as tasks:
            long = tasks.create_task(speech.play(tone(440, 50)))
            saying = tasks.create_task(say_until(voice, tone(880, 0.5), long))
            assert await long is False
            saying.cancel()


async def test_a_picture_is_seen_by_others(server: Server) -> None:
    where = server.room("seen")
    async with asyncio.timeout(60), bot(server, where, "ann") as ann, bot(server, where, "eye") as eye:
        screen = await ann.publish_video((320, 180))
        picture = np.zeros((180, 320, 3), np.uint8)
        picture[:, :, 2] = 255
        screen.show(picture)
        with pytest.raises(ValueError, match="picture: expected"):
            screen.show(picture[:10])
        async for seen in eye.pictures():
            blue, green, red = seen.array[80:100, 150:170].reshape(-1, 3).mean(axis=0)
            if red > 200 and green < 60 and blue < 60:
                break
        assert seen.participant.user == "ann"
        assert seen.array.shape == (180, 320, 3)


async def test_who_comes_and_goes_is_told(server: Server) -> None:
    where = server.room("watched")
    async with asyncio.timeout(60), bot(server, where, "ann") as ann:
        changes = aiter(ann.changes())
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(first_of(changes))
            async with bot(server, where, "bob") as bob:
                joined = await first
                assert (joined.what, user_of(joined)) == ("joined", "bob")
                await bob.send_text("hello", ann.me.id)
            left = await anext(changes)
            assert (left.what, user_of(left)) == ("left", "bob")


async def test_a_bot_that_is_removed_is_told_so(server: Server) -> None:
    where = server.room("removed")
    async with asyncio.timeout(60), bot(server, where, "ann") as ann:
        path = f"/v1/rooms/{where}/participants/{ann.me.id}"
        assert (await asyncio.to_thread(server.rest, "DELETE", path)).status_code == 200
        with pytest.raises(BotError, match="removed"):
            await first_of(ann.texts())
        with pytest.raises(BotError, match="removed"):
            await ann.send_text("too late")


async def test_refusals_say_why() -> None:
    with pytest.raises(BotError, match=r"127\.0\.0\.1"):
        async with asyncio.timeout(60), join(f"http://127.0.0.1:{free_port()}", "token"):
            pass


async def test_a_token_that_is_none_is_refused(server: Server) -> None:
    with pytest.raises(Refused, match="login: Invalid token"):
        async with asyncio.timeout(60), join(server.url, "nonsense"):
            pass


async def test_a_recorder_writes_a_file_for_each(server: Server, tmp_path: Path) -> None:
    where = server.room("recorded")
    recorder = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / "recorder_bot.py"), server.url, server.token(where, "recorder"),
        str(tmp_path), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert recorder.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await recorder.stdout.readline() == b"in the room as recorder\n"
            async with bot(server, where, "ann") as ann:
                voice = await ann.publish_audio()
                file = tmp_path / f"{ann.me.id}.wav"
                while not file.exists() or file.stat().st_size < 4 * RATE:
                    await voice.play(tone(440, 1.0))
            recorder.send_signal(2)
            assert await recorder.wait() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            recorder.kill()
        await recorder.wait()
    with wave.open(str(file), "rb") as written:
        samples = np.frombuffer(written.readframes(written.getnframes()), "<i2") / 32768
    assert abs(hertz_of(samples) - 440) < 5
