"""Schemathesis over our own description, signed: no unexpected 5xx, no undocumented answer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass

from tests.servers import COMMAND, ROOT, Server

CHECKS = (
    "no_unexpected_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)


@dataclass(frozen=True)
class Outcome:
    """How many cases ran, how many operations they covered, and everything the tool said."""

    cases: int
    operations: str
    passed: bool
    output: str


def explore(server: Server, examples: int, seed: int | None = None) -> Outcome:
    """Generate cases for every operation as the super service, which may do everything."""
    shown = subprocess.run(
        [str(COMMAND), "keys", "--json", "--data-dir", str(server.data_dir)],
        check=True,
        capture_output=True,
        timeout=30,
    )
    account = json.loads(shown.stdout)["super"]
    owner = Server(server.url, server.data_dir, server.process, account["id"], account["key"])
    room = owner.room("explored")
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.net.contract_hooks",
        "PYTHONPATH": str(ROOT),
        "CONTRACT_SERVICE": account["id"],
        "CONTRACT_KEY": account["key"],
        "CONTRACT_ROOM": room,
        "CONTRACT_TOKEN": owner.token(room, "explorer", reusable=True),
    }
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{server.url}/openapi.json",
        "--url",
        server.url,
    ]
    options = [
        "--no-color",
        "--no-shrink",
        "--continue-on-failure",
        "--exclude-operation-id-regex",  # whose answers have no end
        "^follow_",
        "-n",
        str(examples),
        "--checks",
        ",".join(CHECKS),
    ]
    options += ["--generation-database", "none"] + (["--seed", str(seed)] if seed is not None else [])
    done = subprocess.run(
        [*command, *options], env=environment, capture_output=True, text=True, check=False, timeout=3600
    )
    cases = re.search(r"(\d+) generated", done.stdout)
    tested = re.search(r"Tested: (\d+)", done.stdout)
    return Outcome(
        int(cases[1]) if cases else 0,
        tested[1] if tested else "?",
        done.returncode == 0,
        done.stdout + done.stderr,
    )
