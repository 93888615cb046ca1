"""Simulcast over the portal's wire with a real browser: layers by track, by size, within limits, and changed."""

from __future__ import annotations

from tests.browser.test_portal_by_hand import JOIN, Bare
from tests.servers import Server, until

WIDTHS = {"q": 320, "h": 640, "f": 1280}
LAYERS = [
    {"rid": rid, "scaleResolutionDownBy": 1280 / width, "scalabilityMode": "L1T1"}
    for rid, width in WIDTHS.items()
]
# A painted picture: a camera's would shrink on a busy machine.
PUBLISH = """async (encodings) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
  const brush = canvas.getContext("2d");
  let hue = 0;
  setInterval(() => { brush.fillStyle = `hsl(${hue++} 80% 50%)`; brush.fillRect(0, 0, 1280, 720) }, 1000 / 15);
  const published = me.publish(canvas.captureStream(15), { codec: "vp8", encodings, startKbps: 5000 });
  await published;
  const [sender] = me.pc.getSenders();
  await sender.setParameters({ ...sender.getParameters(), degradationPreference: "maintain-resolution" });
  return published;
}"""
SUBSCRIBE = "async ([from, parameters]) => await me.subscribe(from, ['video'], parameters)"
REFUSED = "async (asked) => { try { await me.subscribe(...asked) } catch (error) { return error.message } }"
UPDATE = """async ([id, video]) =>
  await me.request('subscription-control', { id, operation: 'update', data: { video } })"""
IS_WIDE = "async ([mid, width]) => (await me.received())[mid]?.width === width"


# What the page was told last of the stream's tracks, once every size is known.
KNOWN = """([id, sizes]) => {
  const told = me.log.filter(([, event, one]) => event === 'stream' && one.id === id)
    .map(([, , one]) => (one.data.value ?? one.data).media?.tracks).filter(Boolean).at(-1) ?? []
  return told.filter(one => one.parameters?.resolution).length === sizes && told
}"""


async def test_a_layer_is_had_by_track_size_and_limit_and_changed_later(bare: Bare, server: Server) -> None:
    room = server.room("layers")
    ann, bob = await bare(), await bare()
    await ann.evaluate(JOIN, server.token(room, "ann"))
    await bob.evaluate(JOIN, server.token(room, "bob"))
    stream = (await ann.evaluate(PUBLISH, LAYERS))["id"]
    await until(bob, KNOWN, [stream, len(WIDTHS)], 30)
    listed = {track["rid"]: track for track in await bob.evaluate(KNOWN, [stream, len(WIDTHS)])}
    assert {rid: one["parameters"]["resolution"]["width"] for rid, one in listed.items()} == WIDTHS

    for rid, width in WIDTHS.items():
        got = await bob.evaluate(SUBSCRIBE, [listed[rid]["id"], None])
        await until(bob, IS_WIDE, [got["mids"][0], width], 20)
    by_size = await bob.evaluate(SUBSCRIBE, [stream, {"resolution": {"width": 640, "height": 360}}])
    await until(bob, IS_WIDE, [by_size["mids"][0], 640], 20)
    limited = await bob.evaluate(SUBSCRIBE, [stream, {"maxResolution": {"width": 400, "height": 400}}])
    await until(bob, IS_WIDE, [limited["mids"][0], 320], 20)

    for video, width in (
        ({"from": listed["f"]["id"]}, 1280),
        ({"from": stream, "parameters": {"resolution": {"width": 320, "height": 180}}}, 320),
        ({"parameters": {"maxResolution": {"width": 640, "height": 360}}}, 640),
    ):
        await bob.evaluate(UPDATE, [limited["id"], video])
        await until(bob, IS_WIDE, [limited["mids"][0], width], 20)

    refusal = await bob.evaluate(REFUSED, [stream, ["video"], {"resolution": {"width": 641, "height": 360}}])
    assert refusal == "subscribe: Target video stream does NOT satisfy:Resolution is not acceptable"
