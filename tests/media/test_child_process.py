"""How a pipeline's process begins and ends, seen from the node's side of its two sockets."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest

from palaver.media.pipelines import control
from palaver.media.pipelines.control import (
    Alive,
    Failed,
    Ready,
    RemoveInput,
    SetInputActive,
    Stop,
    Unpacker,
    packed,
)
from palaver.media.pipelines.frames import HEADER, Type

CHILD = """
import socket, sys, msgspec
from palaver.media.pipelines import control
from palaver.media.pipelines.child_process import ChildProcess

class Kind(ChildProcess):
    taken = 0.0
    def carry_out(self, command):
        if isinstance(command, control.RemoveInput):
            raise ValueError("no such tap")
        raise KeyError("a bug")
    def take(self, messages):
        self.taken += len(messages)
    def counters(self):
        return {"taken": self.taken}
    def finish(self):
        print("finished", flush=True)

commands, frames = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
Kind(commands, frames, msgspec.msgpack.Decoder(control.Command)).run_and_exit()
"""
DEADLINE_S = 60.0


@dataclass
class Child:
    process: subprocess.Popen[str]
    commands: socket.socket
    frames: socket.socket
    unpacker: Unpacker[control.Report]

    def reports(self) -> Iterator[control.Report]:
        """What it says until its end."""
        while data := self.commands.recv(65536):
            yield from self.unpacker.feed(data)

    def ends(self) -> tuple[int, str, str]:
        """Its status, and what it printed and complained of."""
        out, complaint = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, out, complaint


@pytest.fixture
def child() -> Iterator[Child]:
    commands, its_commands = socket.socketpair()
    frames, its_frames = socket.socketpair()
    numbers = [its_commands.fileno(), its_frames.fileno()]
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, numbers)],
        pass_fds=numbers, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    its_commands.close()
    its_frames.close()
    commands.settimeout(DEADLINE_S)
    with process, commands, frames:
        yield Child(process, commands, frames, Unpacker(msgspec.msgpack.Decoder(control.Report)))
        process.kill()


def test_it_is_ready_counts_what_it_takes_and_finishes_when_it_is_told_to_stop(child: Child) -> None:
    reports = child.reports()
    assert next(reports) == Ready()
    child.frames.sendall(HEADER.pack(0, Type.END, 0, 0, 255, 7, 0, 0, 0))
    while next(reports) != Alive(counters={"taken": 1.0}):
        pass
    child.commands.sendall(packed(Stop()))
    assert child.ends() == (0, "finished\n", "")


@pytest.mark.parametrize("gone", ["commands", "frames"])
def test_it_finishes_when_the_node_or_the_core_is_gone(child: Child, gone: str) -> None:
    assert next(child.reports()) == Ready()
    getattr(child, gone).shutdown(socket.SHUT_RDWR)
    assert child.ends() == (0, "finished\n", "")


def test_what_fails_says_why_and_ends_the_process(child: Child) -> None:
    child.commands.sendall(packed(RemoveInput(track=7)))
    assert Failed(track=None, reason="no such tap") in list(child.reports())
    assert child.ends() == (1, "", "")


def test_a_bug_says_where_it_is(child: Child) -> None:
    child.commands.sendall(packed(SetInputActive(track=7, active=True)))
    assert Failed(track=None, reason="KeyError: 'a bug'") in list(child.reports())
    status, _, complaint = child.ends()
    assert status == 1
    assert "Traceback" in complaint
    assert "in carry_out" in complaint


def test_frames_that_cannot_be_read_are_a_failure(child: Child) -> None:
    child.frames.sendall(b"\xff" * HEADER.size)
    [failed] = [one for one in child.reports() if isinstance(one, Failed)]
    assert "a message of type 255" in failed.reason
    assert child.ends()[0] == 1
