"""A bucket of another implementation of S3, which may end the uploader before or after any request."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from palaver.recording.upload_tasks import Destination, Task, TaskFolder
from palaver.recording.uploader import client

NAME = "meetings"


class Bucket:
    """``requests`` is what came, as methods; ``kill`` is called before and after each."""

    def __init__(self, port: int) -> None:
        self.requests: list[str] = []
        self.kill: Callable[[int, str], None] = lambda number, when: None
        self.to = Destination(
            bucket=NAME,
            endpoint=f"http://127.0.0.1:{port}",
            region="us-east-1",
            access_key="key",
            secret_key="secret",
            part_bytes=5 << 20,
        )
        self.client = client(self.to)

    def versions(self, key: str) -> list[Any]:
        """Every version that was ever put under ``key``."""
        found = self.client.list_object_versions(Bucket=NAME, Prefix=key)
        return list(found.get("Versions", ()))

    def unfinished(self) -> list[Any]:
        """Uploads that were begun and neither completed nor ended."""
        return list(self.client.list_multipart_uploads(Bucket=NAME).get("Uploads", ()))

    def hash(self, key: str) -> str:
        return hashlib.sha256(self.client.get_object(Bucket=NAME, Key=key)["Body"].read()).hexdigest()


@contextmanager
def bucket() -> Iterator[Bucket]:
    """An empty bucket that keeps versions."""
    application = DomainDispatcherApplication(create_backend_app)
    found: list[Bucket] = []

    def counted(environ: dict[str, Any], start: Any) -> Any:
        mine = found[0] if found else None
        if mine is None:
            return application(environ, start)
        number = len(mine.requests)
        mine.requests.append(environ["REQUEST_METHOD"])
        mine.kill(number, "before")
        answer = list(application(environ, start))
        mine.kill(number, "after")
        return answer

    server = make_server("127.0.0.1", 0, counted, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made = Bucket(server.server_port)
    made.client.create_bucket(Bucket=NAME)
    made.client.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Enabled"})
    found.append(made)
    try:
        yield made
    finally:
        server.shutdown()
        thread.join(20)
        server.server_close()


class Uploading:
    """An uploader of one file of three parts."""

    def __init__(self, directory: Path, target: Bucket, name: str = "it.mkv") -> None:
        self.target, self.path, self.key = target, directory / name, f"r/{name}"
        self.folder = TaskFolder(directory / "uploads")
        self.process: subprocess.Popen[bytes] | None = None
        if not self.path.exists():
            self.path.write_bytes(os.urandom((11 << 20) + 7))
        self.sha256 = hashlib.sha256(self.path.read_bytes()).hexdigest()
        self.folder.put(Task(recording="42", part=1, path=str(self.path), key=self.key))

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "palaver.recording.uploader", str(self.folder.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(self.target.to) + b"\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)

    def ended(self) -> None:
        assert self.process is not None
        self.process.communicate(timeout=60)

    def until_done(self) -> None:
        """Start it, wait until the file is there, and let it go."""
        self.start()
        deadline = time.monotonic() + 60
        while not ((task := self.folder.get("42", 1)) and (task.done or task.gone)):
            assert time.monotonic() < deadline, "it was not uploaded in time"
            assert self.process is not None
            assert self.process.poll() is None, "the uploader ended"
            time.sleep(0.02)
        self.ended()

    def killed_at(self, number: int, when: str) -> bool:
        """Kill it before or after that request, counted from now; whether there was one."""
        begun, hit = len(self.target.requests), threading.Event()

        def kill(now: int, moment: str) -> None:
            if (now - begun, moment) == (number, when):
                hit.set()
                self.kill()

        self.target.kill = kill
        self.start()
        deadline = time.monotonic() + 60
        assert self.process is not None
        while self.process.poll() is None:
            task = self.folder.get("42", 1)
            if task is not None and task.done and not hit.is_set():
                self.kill()
            assert time.monotonic() < deadline, "it goes on for ever"
            time.sleep(0.02)
        self.ended()
        self.target.kill = lambda number, when: None
        return hit.is_set()

    def check(self) -> None:
        """One object, once, which is the file; nothing is left behind."""
        assert self.target.hash(self.key) == self.sha256
        assert len(self.target.versions(self.key)) == 1
        assert self.target.unfinished() == []
