"""Kamailio as a registrar and proxy: in the foreground, with a configuration and ports of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.processes import ended

MODULES = Path("/usr/lib/x86_64-linux-gnu/kamailio/modules")
USERS = {"room1": "secret1", "room2": "secret2", "alice": "alicepw", "bob": "bobpw"}

CONFIGURATION = """#!KAMAILIO
debug=1
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
alias="sip.test"
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
server_signature=no
mpath="{modules}/"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "htable.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "default_expires", 300)
modparam("registrar", "min_expires", 2)
modparam("registrar", "max_expires", {expires})
modparam("auth", "nonce_expire", 30)
modparam("tm", "fr_timer", 1500)
modparam("tm", "fr_inv_timer", 30000)
modparam("htable", "htable", "users=>size=4;")
event_route[htable:mod-init] {{
{users}
}}
request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483","Too Many Hops"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
        sl_send_reply("404","Not here"); exit;
    }}
    t_check_trans();
    remove_hf("Route");
    if (is_method("REGISTER")) {{
        if ($sht(users=>$tU) == $null) {{ sl_send_reply("403","Unknown user"); exit; }}
        if (!pv_www_authenticate("$td", "$sht(users=>$tU)", "0")) {{ auth_challenge("$td", "1"); exit; }}
        if ($au != $tU) {{ sl_send_reply("403","Forbidden"); exit; }}
        consume_credentials();
        if (!save("location")) sl_reply_error();
        exit;
    }}
    if ($sht(users=>$fU) != $null) {{
        if (!pv_proxy_authenticate("$fd", "$sht(users=>$fU)", "0")) {{ auth_challenge("$fd", "1"); exit; }}
        consume_credentials();
    }}
    if (is_method("INVITE|SUBSCRIBE")) record_route();
    if (uri==myself) {{
        if ($rU=="nowhere") {{ $du="sip:127.0.0.1:{dead}"; t_relay(); exit; }}
        if (!lookup("location")) {{ sl_send_reply("404","Not Found"); exit; }}
    }}
    if (!t_relay()) sl_reply_error();
    exit;
}}
"""


@dataclass
class Registrar:
    """A running Kamailio."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


def free_port() -> int:
    """A port that is free for UDP and TCP."""
    for _ in range(50):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port = int(udp.getsockname()[1])
            try:
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


@contextmanager
def registrar(
    folder: Path, users: Mapping[str, str] = USERS, *, port: int = 0, expires: int = 3600
) -> Iterator[Registrar]:
    """Run one until the end of the block."""
    assert shutil.which("kamailio"), "Debian's kamailio is missing (make .cache/apt-test)"
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    lines = "\n".join(f'    $sht(users=>{name}) = "{word}";' for name, word in users.items())
    config, log = folder / "kamailio.cfg", folder / "kamailio.log"
    config.write_text(
        CONFIGURATION.format(port=port, modules=MODULES, users=lines, expires=expires, dead=free_port())
    )
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                "kamailio",
                "-DD",
                "-E",
                "-f",
                str(config),
                "-Y",
                str(folder),
                "-w",
                str(folder),
                "-m",
                "32",
                "-M",
                "4",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _await_port(process, port, log)
        yield Registrar(port, process, log)
    finally:
        ended(process)


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        with socket.socket() as tcp:
            if tcp.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # a poll of another process
    raise AssertionError(f"Kamailio did not start:\n{log.read_text(errors='replace')[-2000:]}")
