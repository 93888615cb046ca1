"""nginx and Caddy, which end TLS before a server, each with a configuration and a folder of the test's own."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2

from palaver.server.tls import self_signed
from tests.servers import free_port

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    location {path}/ {{
      proxy_pass http://127.0.0.1:{upstream}{kept};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_read_timeout 1h;
    }}
  }}
}}
"""
CADDY = """
{{
  admin off
  auto_https off
}}
https://127.0.0.1:{port} {{
  tls {cert} {key}
  {redirect}
  {route} {path}/* {{
    reverse_proxy 127.0.0.1:{upstream}
  }}
}}
"""


@contextlib.contextmanager
def proxy(kind: str, folder: Path, upstream: int, path: str = "", *, strips: bool = True) -> Iterator[str]:
    """A proxy before the server on port ``upstream``; its address. ``strips``: it takes ``path`` off."""
    port, made = free_port(), self_signed(folder, ["127.0.0.1"])
    values = {"folder": folder, "port": port, "cert": made.cert, "key": made.key, "path": path}
    values["redirect"] = f"redir {path} {path}/ 308" if path else ""
    if kind == "nginx":
        text = NGINX.format(**values, upstream=upstream, kept="/" if strips else "")
        command = ["nginx", "-c", str(folder / "config"), "-e", str(folder / "error.log")]
    else:
        text = CADDY.format(**values, upstream=upstream, route="handle_path" if strips else "handle")
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "config")]
    (folder / "config").write_text(text)
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(folder), "PATH": PATH})
    url = f"https://127.0.0.1:{port}{path}"
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(url + "/readyz", timeout=2, verify=False).status_code == 200:
                    break
            assert process.poll() is None, (folder / "proxy.log").read_text()
            assert time.monotonic() < deadline, "the proxy did not answer in 30 s"
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(20)


PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
