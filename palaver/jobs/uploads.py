"""Recordings that have ended go to a bucket: the node says which files, one process uploads them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from palaver.backoff import Backoff
from palaver.media.pipelines.confinement import clean
from palaver.recording.storage import OutsideError
from palaver.recording.upload_tasks import Task, TaskFolder
from palaver.recording.uploader import Told
from palaver.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palaver.recording.index import Entry, Part
    from palaver.recording.storage import Storage
    from palaver.recording.upload_tasks import Destination
    from palaver.store import Store

_LOOK_S: Final = 10.0
_LATE_MS: Final = 3_600_000
"""So much later than it happened the store may learn of an end."""
_MODULE: Final = "palaver.recording.uploader"
_AWS: Final = ("AWS_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


class Uploads:
    """Uploads what has ended. A file is deleted, if that is wanted, once its object was found to be the same."""

    def __init__(
        self,
        store: Store,
        storage: Storage,
        tasks: TaskFolder,
        destination: Destination,
        *,
        prefix: str = "",
        delete_local: bool = False,
    ) -> None:
        self._store, self._storage, self._tasks, self._to = store, storage, tasks, destination
        self._prefix, self._delete_local = prefix, delete_local
        self._counts: Counter[str] = Counter()
        self._since_ms = 0
        self._open: set[str] = set()  # recordings of which something is to be done
        self._changed = asyncio.Event()
        self._log = structlog.get_logger("palaver.uploads")

    def stats(self) -> Mapping[str, float]:
        """Gauges and counters by metric name without prefix."""
        return {
            "waiting": len(self._open),
            "done_total": self._counts["done"],
            "failed_total": self._counts["failed"],
            "bytes_total": self._counts["bytes"],
        }

    async def run(self) -> None:
        """Upload until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_process())
            while True:
                try:
                    await self.look()
                except (OSError, StoreError) as failure:
                    self._log.error("uploads cannot be looked after", error=str(failure))
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await self._changed.wait()

    async def look(self) -> None:
        """Ask for what has ended, and take over what was uploaded. Raises OSError, StoreError."""
        for entry in await self._store.recordings.ended(self._since_ms):
            self._since_ms = max(self._since_ms, (entry.ended_ms or 0) - _LATE_MS)
            if self.pending(entry):
                self._open.add(entry.id)
        tasks = await asyncio.to_thread(lambda: list(self._tasks.all()))
        self._open |= {task.recording for task in tasks}
        for recording in list(self._open):
            known = await self._store.recordings.get(recording)
            mine = [task for task in tasks if task.recording == recording]
            left = await self._without(mine) if known is None else await self._settle(known)
            if not left:
                self._open.discard(recording)

    @staticmethod
    def pending(entry: Entry) -> bool:
        """Whether something of a recording is only here."""
        return any(not part.object and not part.lost for part in entry.parts)

    async def _without(self, tasks: list[Task]) -> bool:
        """Whether something is to be done still for a recording that was deleted."""
        for task in tasks:
            if task.done or task.gone:
                await asyncio.to_thread(self._tasks.forget, task.recording, task.part)
        return not all(task.done or task.gone for task in tasks)

    async def _settle(self, entry: Entry) -> bool:
        """Whether something is to be uploaded still."""
        for number, part in enumerate(entry.parts, 1):
            task = await asyncio.to_thread(self._tasks.get, entry.id, number)
            if task is None and not (part.object or part.lost):
                await self._ask(entry, number, part)
            elif task is not None and (task.done or task.gone):
                await self._take_over(entry, part, task)
        return self.pending(entry)

    async def _take_over(self, entry: Entry, part: Part, task: Task) -> None:
        """First it is known where the file is, then it is deleted here, then its task is forgotten."""
        if task.done:
            part.object = f"s3://{self._to.bucket}/{task.key}"
        part.lost = task.gone
        await self._store.recordings.save(entry)
        if self._delete_local and task.done:
            await asyncio.to_thread(self._storage.resolve(part.file).unlink, missing_ok=True)
        await asyncio.to_thread(self._tasks.forget, task.recording, task.part)
        if task.done:
            self._counts["done"] += 1
            self._counts["bytes"] += task.size
            self._log.info("recording uploaded", recording=entry.id, part=task.part, object=part.object)

    async def _ask(self, entry: Entry, number: int, part: Part) -> None:
        """Ask for a file, if it is there."""
        try:
            path = self._storage.resolve(part.file)
        except OutsideError:
            path = None
        if path is None or not await asyncio.to_thread(path.is_file):
            part.lost = True
            await self._store.recordings.save(entry)
            self._log.error("recording not uploaded: its file is gone", recording=entry.id, part=number)
            return
        key = f"{self._prefix}{part.file}"
        task = Task(recording=entry.id, part=number, path=str(path), key=key)
        await asyncio.to_thread(self._tasks.put, task)

    # ── the process ─────────────────────────────────────────────────────────────────────────────────

    async def _keep_process(self) -> None:
        """Start the uploader, and start it again when it ends."""
        pause, loop = Backoff(), asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                code = await self._process()
            except OSError as failure:
                self._log.error("uploader does not start", error=str(failure))
            else:
                self._log.error("uploader ended", code=code)
            await asyncio.sleep(pause.after(loop.time() - began))

    async def _process(self) -> int:
        """One life of the uploader. It ends with its standard input, so with us."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(_AWS)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _MODULE,
            str(self._tasks.folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=clean(os.environ) | kept,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(self._to) + b"\n")
            await process.stdin.drain()
            async for line in process.stdout:
                self._hear(line)
            return await process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    def _hear(self, line: bytes) -> None:
        told = msgspec.json.decode(line, type=Told)
        if told.done:
            self._changed.set()
        else:
            self._counts["failed"] += 1
            self._log.warning("upload failed", recording=told.recording, part=told.part, reason=told.reason)
