"""Writes everything that is made from the code, or with --check fails where something is out of date.

Made are: state diagrams, docs/configuration.md, docs/api, the portal's JSON Schema and the TypeScript types from it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402  # as below

from palaver.api.rest import openapi  # noqa: E402  # as below
from palaver.api.rest.table import OPERATIONS  # noqa: E402  # as below
from tools import configuration_doc, draw_states, wire_schema  # noqa: E402  # run as a script: the root must be known first

TYPES = ROOT / "client" / "src" / "wire.gen.ts"


def api() -> dict[Path, str]:
    """The description of the management API, and the page that shows it."""
    document = openapi.describe(OPERATIONS)
    folder = ROOT / "docs" / "api"
    folder.mkdir(exist_ok=True)
    pretty = msgspec.json.format(msgspec.json.encode(document), indent=1).decode()
    return {folder / "openapi.json": pretty + "\n", folder / "index.html": openapi.page(document)}


def texts() -> dict[Path, str]:
    return {
        **api(),
        **draw_states.pages(),
        configuration_doc.OUT: configuration_doc.document(),
        wire_schema.TARGET: wire_schema.text(),
    }


def stale(path: Path, text: str) -> bool:
    return not path.exists() or path.read_text("utf-8") != text


def main() -> int:
    check = "--check" in sys.argv
    wrong = [path for path, text in texts().items() if stale(path, text)]
    before = TYPES.read_text("utf-8")
    if not check:
        for path, text in texts().items():
            path.write_text(text, "utf-8")
    subprocess.run(["node", "client/generate.mjs"], cwd=ROOT, check=True)
    if TYPES.read_text("utf-8") != before:
        wrong.append(TYPES)
    if check and wrong:
        TYPES.write_text(before, "utf-8")
        print("out of date (make wire):", *(path.relative_to(ROOT) for path in wrong), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
