"""What an operator sees: structured logs, /metrics, /healthz and /readyz."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.responses import Response

from palaver import __version__

if TYPE_CHECKING:
    from starlette.requests import Request

_TRIAL_TIMEOUT_S: Final = 2.0
_TRY_EVERY_S: Final = 1.0
_LAG_PERIOD_S: Final = 1.0

# At lower levels they write down what passes through them: frames, statements, tokens.
_LIBRARIES: Final = (
    *("alembic", "asyncio", "engineio", "httpcore2", "httpx2", "socketio", "sqlalchemy"),
    *("uvicorn", "uvicorn.access", "uvicorn.error", "websockets", "websockets.server"),
)

Stats = Callable[[], Mapping[str, float]]


def configure_logging(level: str, form: str) -> None:
    """Send every log, ours and libraries', to stderr: coloured lines for a terminal, else JSON lines."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer = structlog.dev.ConsoleRenderer(colors=True) if console else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,  # libraries' own entries have not passed it yet
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in _LIBRARIES:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # What it warns of is what strangers send, which is counted: the log would be theirs to fill.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


class LoopLag:
    """How late the event loop is: what a request waits before anybody looks at it."""

    def __init__(self) -> None:
        self.last_s = 0.0
        self.worst_s = 0.0

    async def run(self) -> None:
        """Measure once a second until cancelled."""
        while True:
            due = time.monotonic() + _LAG_PERIOD_S
            await asyncio.sleep(_LAG_PERIOD_S)
            self.last_s = max(0.0, time.monotonic() - due)
            self.worst_s = max(self.worst_s, self.last_s)


class Collector:
    """Asks every part for its numbers when /metrics is read. Names that end in _total are counters."""

    def __init__(self, parts: Mapping[str, Stats], lag: LoopLag) -> None:
        self._parts, self._lag = parts, lag
        self._tasks: Callable[[], int] = lambda: len(asyncio.all_tasks())

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        yield _gauge("build_info", "What is running.", 1, {"version": __version__})
        for part, stats in self._parts.items():
            for name, value in sorted(stats().items()):
                if name.endswith("_total"):
                    yield CounterMetricFamily(
                        f"palaver_{_prefixed(part, name)}", f"From {part}.", value=value
                    )
                else:
                    yield _gauge(_prefixed(part, name), f"From {part}.", value)
        for name, (value, text) in self._process().items():
            yield _gauge(name, text, value)

    def _process(self) -> dict[str, tuple[float, str]]:
        fields = Path("/proc/self/statm").read_text().split()
        times = os.times()
        return {
            "process_resident_bytes": (int(fields[1]) * os.sysconf("SC_PAGE_SIZE"), "Resident memory."),
            "process_cpu_seconds": (times.user + times.system, "User and system time."),
            "process_open_fds": (len(os.listdir("/proc/self/fd")), "Open file descriptors."),
            "process_threads": (len(os.listdir("/proc/self/task")), "Threads, the core's included."),
            "process_python_threads": (threading.active_count(), "Threads that Python knows."),
            "process_tasks": (self._tasks(), "Tasks on the event loop."),
            "loop_lag_seconds": (self._lag.last_s, "How late the event loop was at the last look."),
            "loop_lag_worst_seconds": (self._lag.worst_s, "How late it was at worst since the start."),
        }


def _prefixed(part: str, name: str) -> str:
    return name if name.startswith(part) else f"{part}_{name}"


def _gauge(name: str, text: str, value: float, labels: Mapping[str, str] | None = None) -> Metric:
    family = GaugeMetricFamily(f"palaver_{name}", text, labels=list(labels or {}))
    family.add_metric(list((labels or {}).values()), value)
    return family


class Health:
    """The three pages of an operator: /healthz (alive), /readyz (may get traffic), /metrics."""

    def __init__(
        self, parts: Mapping[str, Stats], lag: LoopLag, tried: Mapping[str, Callable[[], Awaitable[None]]]
    ) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(Collector(parts, lag))
        self._tried = tried
        self._found: tuple[float, dict[str, str]] = (float("-inf"), {})
        self._looking = asyncio.Lock()
        self.draining = False
        self.started = False

    async def metrics(self, _request: Request) -> Response:
        """Everything that is counted, in Prometheus' text format."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    async def alive(self, _request: Request) -> Response:
        """Answers while the event loop turns."""
        return _json(200, {"status": "ok", "version": __version__})

    async def ready(self, _request: Request) -> Response:
        """200 when this server may get traffic, else 503 and what is missing."""
        failing: dict[str, str] = {}
        if not self.started:
            failing["server"] = "starting"
        if self.draining:
            failing["server"] = "draining"
        failing |= await self._failing()
        return _json(
            503 if failing else 200, {"status": "not ready" if failing else "ok", "failing": failing}
        )

    async def _failing(self) -> dict[str, str]:
        """What cannot be done now; tried at most once a second, however many ask."""
        async with self._looking:
            at, found = self._found
            if time.monotonic() - at > _TRY_EVERY_S:
                found = {name: why for name, one in self._tried.items() if (why := await _why_not(one))}
                self._found = (time.monotonic(), found)
            return found


async def _why_not(trial: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(_TRIAL_TIMEOUT_S):
            await trial()
    except TimeoutError:
        return f"no answer within {_TRIAL_TIMEOUT_S:.0f} s"
    except Exception as error:  # whatever it is, we are not ready and say so
        return type(error).__name__
    return ""


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json; charset=utf-8")
