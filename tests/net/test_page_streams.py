"""Cameras and live streams at the page of a whole server, as a browser asks for them."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from tests.net.test_page_recordings import joined
from tests.servers import Server, start_server

pytestmark = pytest.mark.net


WRONG = (
    ({"kind": "camera"}, "url"),
    ({"kind": "camera", "url": "file:///etc/passwd"}, "url"),
    ({"kind": "camera", "url": "rtsp://camera.example/x", "name": "n" * 65}, "name"),
    ({"kind": "live", "url": "http://192.0.2.7/what"}, "protocol"),
    ({"kind": "live", "url": "rtmp://169.254.169.254/x/y"}, "url: link-local"),
    ({"kind": "film"}, "kind"),
)


def test_what_cannot_be_is_refused_by_its_name(server: Server) -> None:
    room = server.room("page streams")
    path = f"/demo/rooms/{room}/streams"
    media = {"audio": {"from": f"{room}-common"}, "video": False}
    applications = (
        f"/v1/rooms/{room}/streaming-outs"  # what keeps the room running, and is no business of the page
    )
    begun = server.rest("POST", applications, {"protocol": "hls", "media": media}, timeout_s=60)
    assert begun.status_code == 200, begun.text
    with joined(server, "page streams") as ann:
        for body, words in WRONG:
            refused = ann.post(path, json=body)
            assert refused.status_code in (400, 500), (body, refused.text)
            assert words in refused.text
        assert ann.get(path).json() == {"streams": []}
        assert ann.delete(f"{path}/{begun.json()['id']}").status_code == 404
    assert server.rest("DELETE", f"{applications}/{begun.json()['id']}", timeout_s=60).status_code == 200


def test_nobody_else_may_and_nobody_where_it_is_switched_off(server: Server, tmp_path: Path) -> None:
    room = server.room("not yours")
    for method in ("GET", "POST", "DELETE"):
        path = f"/demo/rooms/{room}/streams" + ("/1" if method == "DELETE" else "")
        assert httpx2.request(method, server.url + path, json={}).status_code == 403
    settings = tmp_path / "palaver.toml"
    settings.write_text('[page]\nstreams = "nobody"\n')
    with start_server(tmp_path, "--config", str(settings)) as careful, joined(careful, "closed") as ann:
        room = careful.rest("GET", "/v1/rooms").json()[0]["_id"]
        assert ann.get(f"/demo/rooms/{room}/streams").status_code == 403
