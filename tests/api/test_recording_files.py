"""Files of recordings leave by signed URLs only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2 as httpx
import pytest
from starlette.applications import Starlette

from palaver.api.recording_files import RecordingFiles, UrlSigner
from palaver.recording.index import Entry, Part
from palaver.recording.storage import Storage
from palaver.store import Store

CONTENT = bytes(range(256)) * 40


class House:
    """A server with one recording of two parts, of which the second is gone, and a third that is a trap."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.now = 1_000_000.0
        self.signer = UrlSigner(b"key", lambda: self.now, 60)
        files = RecordingFiles(store, Storage(directory), self.signer)
        transport = httpx.ASGITransport(Starlette(routes=files.routes()))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://server")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = await Store.open("sqlite://", master_key=b"master key of 32 bytes, or more..")
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "1.mp4").write_bytes(CONTENT)
    (tmp_path / "secret").write_bytes(b"secret")
    parts = [Part(file=name, started_ms=1) for name in ("1.mp4", "2.mp4", "../secret")]
    await store.recordings.add(
        Entry(
            id="42",
            service="s",
            room="r",
            started_ms=1,
            container="mp4",
            audio="aac",
            video=None,
            parts=parts,
        )
    )
    house = House(store, tmp_path / "recordings")
    yield house
    await house.client.aclose()
    await store.close()


async def test_a_signed_url_plays_and_downloads(house: House) -> None:
    played = await house.client.get(house.signer.url("42", 1, download=False))
    assert (played.status_code, played.content) == (200, CONTENT)
    assert played.headers["content-type"] == "video/mp4"
    assert played.headers["content-disposition"].startswith("inline")
    downloaded = await house.client.get(house.signer.url("42", 1, download=True))
    assert downloaded.headers["content-disposition"] == 'attachment; filename="1.mp4"'


async def test_a_range_is_enough(house: House) -> None:
    url = house.signer.url("42", 1, download=False)
    answer = await house.client.get(url, headers={"range": "bytes=100-199"})
    assert (answer.status_code, answer.content) == (206, CONTENT[100:200])
    assert answer.headers["content-range"] == f"bytes 100-199/{len(CONTENT)}"
    answer = await house.client.get(url, headers={"range": f"bytes={len(CONTENT)}-"})
    assert answer.status_code == 416


async def test_a_url_expires(house: House) -> None:
    url = house.signer.url("42", 1, download=False)
    house.now += 59
    assert (await house.client.get(url)).status_code == 200
    house.now += 1
    answer = await house.client.get(url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, 1102)


@pytest.mark.parametrize(
    "change",
    [
        {"until": "99999999999"},
        {"way": "download"},
        {"signature": "0"},
        {"signature": ""},
        {"until": "²"},
        {"until": ""},
    ],
)
async def test_a_url_that_was_changed_is_refused(house: House, change: dict[str, str]) -> None:
    url = urlsplit(house.signer.url("42", 1, download=False))
    query = dict(parse_qsl(url.query)) | change
    assert (await house.client.get(url.path, params=query)).status_code == 403


async def test_the_signature_is_for_one_part(house: House) -> None:
    url = urlsplit(house.signer.url("42", 1, download=False))
    for path in ("/recordings/42/2", "/recordings/43/1", "/recordings/42/x", "/recordings/42/-1"):
        assert (await house.client.get(f"{path}?{url.query}")).status_code == 403


@pytest.mark.parametrize(("recording", "part"), [("42", 2), ("42", 3), ("42", 4), ("43", 1)])
async def test_what_is_not_there_or_elsewhere_is_not_found(house: House, recording: str, part: int) -> None:
    answer = await house.client.get(house.signer.url(recording, part, download=True))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, 1001)
