"""Streaming servers that nobody here wrote, each on ports and in a folder of the test's own."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers import free_port

HERE = Path(__file__).parent
DEBIAN_PYTHON = "/usr/bin/python3"
NGINX_RTMP = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
CONFIGURATION = """
load_module {module};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
rtmp {{
  server {{
    listen 127.0.0.1:{rtmp};
    application live {{ live on; wait_key on; }}
    application hls {{ live on; hls on; hls_path {folder}/hls; hls_fragment 1s; hls_playlist_length 6s; }}
  }}
}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{http};
    root {folder};
    location /put/ {{ dav_methods PUT DELETE; create_full_put_path on; client_max_body_size 64m; }}
    location /away {{ return 302 http://169.254.169.254/latest; }}
    location /moved {{ return 302 http://127.0.0.1:{http}/clip.mp4; }}
  }}
}}
"""


def reachable(port: int, process: subprocess.Popen[bytes], timeout_s: float = 30) -> None:
    """Wait until something listens there."""
    deadline = time.monotonic() + timeout_s
    while True:
        assert process.poll() is None, f"ended with {process.returncode}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < deadline, f"nothing listens on {port}"
        time.sleep(0.05)


@contextlib.contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on ``port``; killed at the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        reachable(port, process)
        yield process
    finally:
        process.kill()
        process.wait(20)


@contextlib.contextmanager
def rtsp_server(folder: Path, *account: str, port: int | None = None) -> Iterator[str]:
    """GStreamer's; its address. ``account``: user name and password, by digest."""
    port = port or free_port()
    command = [DEBIAN_PYTHON, str(HERE / "rtsp_server.py"), str(port), *account]
    with running(command, port, folder / "rtsp.log"):
        yield f"rtsp://127.0.0.1:{port}"


class Nginx:
    """nginx with its RTMP and DAV modules: RTMP in and out, HLS, and a place for uploads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rtmp, self.http = free_port(), free_port()
        for name in ("hls", "put"):
            (folder / name).mkdir(exist_ok=True)
            (folder / name).chmod(0o777)
        folder.chmod(0o755)
        values = {"module": NGINX_RTMP, "folder": folder, "rtmp": self.rtmp, "http": self.http}
        (folder / "nginx.conf").write_text(CONFIGURATION.format(**values))

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """While it runs."""
        command = ["nginx", "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "error.log")]
        with running(command, self.rtmp, self.folder / "nginx.log") as process:
            yield process


SOURCE = (
    "-re", "-f", "lavfi", "-i", "color=c=0x787878:size=320x240:rate=30",
    "-f", "lavfi", "-i", "sine=frequency=700:sample_rate=44100",
    "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-pix_fmt", "yuv420p",
    "-c:a", "aac", "-ar", "44100", "-threads", "1",
)  # fmt: skip


@contextlib.contextmanager
def ffmpeg(*arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """FFmpeg while it runs; killed at the end."""
    program = shutil.which("ffmpeg")
    assert program is not None, "FFmpeg is not installed (make test installs it)"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [program, "-v", "error", "-nostdin", *arguments], stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)
