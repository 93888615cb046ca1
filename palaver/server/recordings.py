"""The parts of a node that record, put together."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palaver.api.clock import wall_clock
from palaver.api.recording_files import RecordingFiles, UrlSigner
from palaver.api.rest.recorded import Recorded
from palaver.jobs.archive import Archive
from palaver.jobs.recording_index import RecordingIndex
from palaver.jobs.uploads import Uploads
from palaver.recording.record import record
from palaver.recording.storage import Retention, Storage, check_pattern
from palaver.recording.upload_tasks import Destination, TaskFolder
from palaver.server import addresses

if TYPE_CHECKING:
    from palaver.media.endpoints import EndpointKind
    from palaver.recording.index import Entry
    from palaver.server.config import Config
    from palaver.server.data import DataDirectory
    from palaver.store import Store

_GB: Final = 1_000_000_000


class RecordingParts:
    """What exists before there is a store: where files go, and who hears of them."""

    def __init__(self, config: Config, directory: DataDirectory) -> None:
        """Raises ValueError for a name pattern that gives no usable names."""
        settings = config.recording
        try:
            check_pattern(settings.name)
        except ValueError as error:
            raise ValueError(f"recording.name: {error}") from None
        where = Path(settings.directory).absolute() if settings.directory else directory.path / "recordings"
        if config.upload.bucket and importlib.util.find_spec("boto3") is None:
            raise ValueError("upload.bucket: boto3 is not installed: pip install 'palaver[s3]'")
        if bool(config.upload.access_key) != bool(config.upload.secret_key):
            raise ValueError("upload.secret_key: expected where there is upload.access_key, and only there")
        self._config, self._directory = config, directory
        self.storage = Storage(where, settings.name, round(settings.min_free_gb * _GB))
        self.index = RecordingIndex(wall_clock)

    def sink(self) -> EndpointKind:
        """What the engine records with."""
        return record(self.storage, self.index)

    def recorded(self, store: Store) -> Recorded:
        """What REST shows of recordings."""
        settings = self._config.recording
        cookies = bytes.fromhex(self._directory.secrets.cookies)
        key = hmac.new(cookies, b"URLs of recordings", hashlib.sha256).digest()
        signer = UrlSigner(key, wall_clock, settings.url_lifetime_s)
        retention = Retention(settings.keep_days, settings.keep_gb)
        needed = Uploads.pending if self._config.upload.bucket else _nothing_needed
        return Recorded(
            self.index,
            Archive(store, self.storage, retention, wall_clock, needed=needed),
            RecordingFiles(store, self.storage, signer),
            next(iter(addresses.of_media(self._config)), self._config.http.host),
        )

    def uploads(self, store: Store) -> Uploads | None:
        """What uploads recordings, if that is wanted."""
        wanted = self._config.upload
        if not wanted.bucket:
            return None
        destination = Destination(
            bucket=wanted.bucket,
            endpoint=wanted.endpoint,
            region=wanted.region,
            access_key=wanted.access_key,
            secret_key=wanted.secret_key,
            part_bytes=wanted.part_mib << 20,
        )
        return Uploads(
            store,
            self.storage,
            TaskFolder(self._directory.path / "uploads"),
            destination,
            prefix=wanted.prefix,
            delete_local=wanted.delete_local,
        )


def _nothing_needed(_: Entry) -> bool:
    return False
