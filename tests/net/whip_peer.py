"""A publisher for a moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx2
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack


@contextlib.asynccontextmanager
async def publishing(url: str, path: str, token: str) -> AsyncIterator[str]:
    """Publish by WHIP below ``url``; the session's address, as it follows from Location. Ended by DELETE."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTrack(AudioStreamTrack())
    await peer.setLocalDescription(await peer.createOffer())
    headers = {"authorization": f"Bearer {token}", "content-type": "application/sdp"}
    try:
        async with httpx2.AsyncClient(verify=False, headers=headers, timeout=30) as http:
            answer = await http.post(url + path, content=peer.localDescription.sdp)
            assert answer.status_code == 201, answer.text
            await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
            session = str(httpx2.URL(url + path).join(answer.headers["location"]))
            await _connected(peer)
            yield session
            assert (await http.delete(session)).status_code == 200
    finally:
        await peer.close()


async def _connected(peer: RTCPeerConnection) -> None:
    stands = asyncio.Event()
    peer.on("connectionstatechange", lambda: stands.set() if peer.connectionState == "connected" else None)
    if peer.connectionState != "connected":
        async with asyncio.timeout(30):
            await stands.wait()
