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
from tests.recording.media import probe
from tests.recording.test_container import write

CONTENT = bytes(range(256)) * 40


class House:
    """A server with one recording of two parts, of which the second is gone, and a third that is a trap."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.store, self.now = store, 1_000_000.0
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
            video="h264",
            parts=parts,
        )
    )
    house = House(store, tmp_path / "recordings")
    yield house
    await house.client.aclose()
    await store.close()


async def test_a_signed_url_plays_and_downloads(house: House) -> None:
    played = await house.client.get(house.signer.url("42", 1, "play"))
    assert (played.status_code, played.content) == (200, CONTENT)
    assert played.headers["content-type"] == "video/mp4"
    assert played.headers["content-disposition"].startswith("inline")
    downloaded = await house.client.get(house.signer.url("42", 1, "download"))
    assert downloaded.headers["content-disposition"] == 'attachment; filename="1.mp4"'


async def test_a_range_is_enough(house: House) -> None:
    url = house.signer.url("42", 1, "play")
    answer = await house.client.get(url, headers={"range": "bytes=100-199"})
    assert (answer.status_code, answer.content) == (206, CONTENT[100:200])
    assert answer.headers["content-range"] == f"bytes 100-199/{len(CONTENT)}"
    answer = await house.client.get(url, headers={"range": f"bytes={len(CONTENT)}-"})
    assert answer.status_code == 416


async def test_a_url_expires(house: House) -> None:
    url = house.signer.url("42", 1, "play")
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
    url = urlsplit(house.signer.url("42", 1, "play"))
    query = dict(parse_qsl(url.query)) | change
    assert (await house.client.get(url.path, params=query)).status_code == 403


async def test_the_signature_is_for_one_part(house: House) -> None:
    url = urlsplit(house.signer.url("42", 1, "play"))
    for path in ("/recordings/42/2", "/recordings/43/1", "/recordings/42/x", "/recordings/42/-1"):
        assert (await house.client.get(f"{path}?{url.query}")).status_code == 403


@pytest.mark.parametrize(("recording", "part"), [("42", 2), ("42", 3), ("42", 4), ("43", 1)])
async def test_what_is_not_there_or_elsewhere_is_not_found(house: House, recording: str, part: int) -> None:
    answer = await house.client.get(house.signer.url(recording, part, "download"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, 1001)


async def filled(house: House, tmp_path: Path) -> None:
    """The file of the first part is a real one, of three seconds."""
    path = tmp_path / "recordings" / "1.mp4"
    path.unlink()
    write(path, "mp4", "aac", "h264")
    entry = await house.store.recordings.get("42")
    assert entry is not None
    entry.parts[0].seconds = 3.0
    entry.speaks("Ann", 1)
    await house.store.recordings.save(entry)


async def test_a_range_of_time_a_thumbnail_and_who_spoke_have_urls(house: House, tmp_path: Path) -> None:
    await filled(house, tmp_path)
    answer = await house.client.get(house.signer.url("42", 1, "download") + "&from=1&to=2")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="1-1-2.mp4"'
    (tmp_path / "cut.mp4").write_bytes(answer.content)
    assert probe(tmp_path / "cut.mp4").duration_s == pytest.approx(1, abs=0.2)
    picture = await house.client.get(house.signer.url("42", 1, "thumbnail"))
    assert (picture.headers["content-type"], picture.content[:2]) == ("image/jpeg", b"\xff\xd8")
    spoken = await house.client.get(house.signer.url("42", 1, "speakers"))
    assert spoken.headers["content-type"] == "text/vtt; charset=utf-8"
    assert spoken.text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:03.000\n<v Ann>Ann")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=x", "from: expected seconds"),
        ("from=-1", "from: expected seconds"),
        ("to=1e9", "to: expected seconds"),
        ("from=3", "from: the part is 3.0 s long"),
        ("from=2&to=1", "to: expected more than from"),
    ],
)
async def test_a_range_that_is_none_is_refused(house: House, tmp_path: Path, query: str, said: str) -> None:
    await filled(house, tmp_path)
    answer = await house.client.get(f"{house.signer.url('42', 1, 'play')}&{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 1301)
    assert said in answer.json()["error"]["message"]


async def test_what_cannot_be_cut_is_told(house: House) -> None:
    answer = await house.client.get(house.signer.url("42", 1, "thumbnail"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, 1201)


async def test_a_url_is_good_for_its_own_purpose_only(house: House) -> None:
    for one, other in (("speakers", "thumbnail"), ("thumbnail", "download"), ("thumbnail", "play")):
        url = house.signer.url("42", 1, one)  # type: ignore[arg-type]
        assert (await house.client.get(url.replace(f"way={one}", f"way={other}"))).status_code == 403
