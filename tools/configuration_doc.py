"""Makes docs/configuration.md from the settings and the strings under them."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from palaver.server import config

OUT = Path(__file__).parent.parent / "docs" / "configuration.md"
HEAD = """# Configuration

Made by `make wire` from `palaver/server/config.py`; do not edit.

No setting is needed. Each can be given as a line in `palaver.toml` (read from the current directory, or `--config FILE`), or as
an environment variable; flags of `palaver serve` win over the environment, the environment over the file. Lists are separated by
commas in an environment variable. A variable whose name ends in `_FILE`, such as `PALAVER_SERVICE_SUPER_KEY_FILE`, names a file with the value. Two more variables come before all settings: `PALAVER_DATA_DIR` (`--data-dir`, default
`./palaver-data`) and `PALAVER_CONFIG` (`--config`). Those of commands that ask a server are in [command-line.md](command-line.md).
Other variables `PALAVER_…` are warned about and ignored, such as those that Kubernetes sets for a service of that name.
"""


def texts(section: type) -> dict[str, str]:
    """The string that stands under each field of a class."""
    tree = ast.parse(inspect.getsource(section)).body[0]
    assert isinstance(tree, ast.ClassDef)
    found, name = {}, ""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            found[name], name = str(node.value.value), ""
    return found


def toml(value: Any) -> str:
    return json.dumps(value)  # of booleans, numbers, strings and lists of them, JSON is TOML


def document() -> str:
    parts = [HEAD]
    for name, section in config.SECTIONS.items():
        parts.append(f"## [{name}]\n\n{inspect.getdoc(section)}\n")
        rows = ["| in palaver.toml | environment variable | default | meaning |", "|---|---|---|---|"]
        described = texts(section)
        for field in msgspec.structs.fields(section):
            default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
            variable = f"PALAVER_{name}_{field.name}".upper()
            rows.append(f"| `{field.name}` | `{variable}` | `{toml(default)}` | {described[field.name]} |")
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    OUT.write_text(document())
