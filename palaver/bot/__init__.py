"""Participants written in Python: they hear, see, speak and write in a room like anybody else.

    async with join("https://meet.example", token) as room:
        voice = await room.publish_audio()
        async for turn in room.turns():
            await room.send_text(f"{turn.participant.user}: {turn.seconds:.1f} s")
            await voice.play(turn.samples)  # stops when somebody speaks

A bot is a client of the portal with a WebRTC connection for each stream, made by aiortc: ``pip install palaver[bot]``.
It may run on the server's machine or on any other.
"""

from palaver.bot.portal import BotError, Refused
from palaver.bot.room import Room, join
from palaver.bot.speaking import Screen, Voice
from palaver.bot.values import RATE, Participant, Picture, RoomChange, Sound, Stream, Text, Turn

__all__ = [
    "RATE",
    "BotError",
    "Participant",
    "Picture",
    "Refused",
    "Room",
    "RoomChange",
    "Screen",
    "Sound",
    "Stream",
    "Text",
    "Turn",
    "Voice",
    "join",
]
