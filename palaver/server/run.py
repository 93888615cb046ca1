"""From the command line into the event loop: signals, exit codes, and the running server's API for other commands."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import msgspec
import structlog

from palaver import __version__
from palaver.server import addresses
from palaver.server.data import Account, DataDirectory, DataError, locked, open_directory
from palaver.server.services import SAMPLE, SUPER
from palaver.server.tls import TlsError
from palaver.store import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from palaver.client import Palaver
    from palaver.server.compose import Listening
    from palaver.server.config import Config

Fail = Callable[[object], NoReturn]


def run_server(config: Config, data_dir: Path, fail: Fail) -> int:
    """Serve until a signal; the exit code. ``fail`` ends with a message for people."""
    import uvloop

    from palaver.server import compose
    from palaver.server.observe import configure_logging
    from palaver.server.services import ServiceError

    configure_logging(config.log.level, config.log.format)
    _allow_descriptors()
    os.umask(0o077)  # what we make is ours alone, the database's files included
    try:
        directory = open_directory(data_dir)
        with locked(directory):
            listening = compose.listen(config, directory)
            gc.freeze()
            uvloop.run(_until_signal(config, directory, listening))
    except (DataError, TlsError, compose.StartError, StoreError, ServiceError) as error:
        fail(error)
    except BaseExceptionGroup as failures:
        structlog.get_logger("palaver.server").error("a part of the server failed", exc_info=failures)
        return 1
    return 0


def _allow_descriptors() -> None:
    """As many sockets as the system lets us have: shells often start with 1,024."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _until_signal(config: Config, directory: DataDirectory, listening: Listening) -> None:
    from palaver.server import compose

    told = compose.Told()
    loop = asyncio.get_running_loop()

    def heard() -> None:
        if told.stop.is_set():
            structlog.get_logger("palaver.server").warning("second signal: ending at once")
            os._exit(1)
        told.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, heard)
    loop.add_signal_handler(signal.SIGHUP, told.reload.set)
    greet = functools.partial(_greet, config, directory, listening)
    await compose.serve(config, directory, listening, told, greet)


def _greet(config: Config, directory: DataDirectory, listening: Listening) -> None:
    """What a person wants to know first, on stdout."""
    urls = listening.urls()
    demo = listening.on_loopback or config.page.demo
    lines = [f"Palaver {__version__}", "", f"  talk     {urls[0]}/"]
    lines += [f"           {url}/" for url in urls[1:]]
    if not demo:
        lines += [
            "           by invitation only; --demo lets everybody who can reach this server in by a name"
        ]
    if config.operator.docs:
        own = f"http://{addresses.in_url(config.operator.host)}:{config.operator.port}"
        lines.append(f"  API      {own if config.operator.port else urls[0]}/docs")
    lines.append(f"  data     {directory.path}")
    certificate = listening.certificate
    if certificate is not None and certificate.fingerprint is not None:
        lines += [
            "",
            "  The certificate is self-signed: browsers ask once. Its SHA-256 fingerprint is",
            f"  {certificate.fingerprint}",
        ]
    if config.auth.replay_window_s == 0:
        lines += ["", "  auth.replay_window_s = 0: signed requests can be replayed by whoever sees them."]
    print("\n".join(lines) + "\n", flush=True)  # noqa: T201  # this is the command line's output


def read_accounts(config: Config, directory: DataDirectory, fail: Fail) -> dict[str, Account]:
    """The super and the sample service as the store has them."""
    from palaver.server.services import open_store

    async def read() -> dict[str, Account]:
        store = await open_store(config, directory)
        try:
            found = {}
            for short, name in (("super", SUPER), ("sample", SAMPLE)):
                service = await store.services.by_name(name)
                if service is None:
                    fail("no services yet: start the server once")
                found[short] = Account(service.id, service.key)
            return found
        finally:
            await store.close()

    try:
        return asyncio.run(read())
    except StoreError as error:
        fail(error)


def api_of(config: Config, directory: DataDirectory, fail: Fail) -> Palaver:
    """The running server's management API as the sample service."""
    import ssl

    from palaver.client import Palaver
    from palaver.server import state

    try:
        running = state.read(directory.path)
    except (OSError, msgspec.DecodeError) as error:
        fail(f"{directory.path / state.FILE}: {error}")
    if running is None:
        fail(f"no server is running on {directory.path}")
    sample = read_accounts(config, directory, fail)["sample"]
    trusted = ssl.create_default_context(cafile=running.certificate) if running.certificate else True
    return Palaver(running.url, sample.id, sample.key, verify=trusted)
