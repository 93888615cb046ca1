"""GStreamer's RTSP server with test streams. Runs by Debian's Python: ``rtsp_server.py PORT [USER PASSWORD]``."""

import sys

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402

SIZE = "video/x-raw,format=I420,width=320,height=240,framerate=30/1"
PICTURE = f"videotestsrc is-live=true pattern=solid-color foreground-color=0xff{{grey}} ! {SIZE} ! "
SOUND = "audiotestsrc is-live=true freq=700 volume=0.2 ! audioconvert ! audioresample ! "
X264 = "x264enc speed-preset=ultrafast key-int-max=15 "
STREAMS = {
    "/h264": PICTURE.format(grey="787878") + X264 + "tune=zerolatency ! rtph264pay name=pay0 pt=96 "
    + SOUND + "voaacenc ! rtpmp4gpay name=pay1 pt=97",
    "/bframes": PICTURE.format(grey="787878") + X264 + "speed-preset=veryfast bframes=2 b-adapt=false "
    "! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96 "
    + SOUND + "audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay1 pt=0",
    "/mjpeg": PICTURE.format(grey="787878") + "jpegenc ! rtpjpegpay name=pay0 pt=26",
    "/sound": SOUND + "opusenc ! rtpopuspay name=pay0 pt=97",
}  # fmt: skip


def main(port: str, *account: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    if account:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth.add_digest(*account, token)
        auth.set_supported_methods(Gst.RTSPAuthMethod.DIGEST if hasattr(Gst, "RTSPAuthMethod") else 2)
        server.set_auth(auth)
    for path, launch in STREAMS.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {launch} )")
        factory.set_shared(True)
        if account:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role("user", "media.factory.access", True)
            permissions.add_permission_for_role("user", "media.factory.construct", True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    GLib.MainLoop().run()


main(*sys.argv[1:])
