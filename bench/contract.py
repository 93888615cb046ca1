"""Generated requests over the whole management API: every answer must be documented, on SQLite and on PostgreSQL.

.venv/bin/python -m bench.contract
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench.common import report, table
from tests import postgres
from tests.net.contract import CHECKS, explore
from tests.servers import start_server

ASKED = 10_000
"""Cases on each database."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", type=int, default=14, help="of each kind and operation")
    args = parser.parse_args()
    rows = [["database", "operations", "cases", "asked for", "result"]]
    passed = True
    with postgres.running() as cluster, tempfile.TemporaryDirectory() as name:
        for database, url in (("SQLite", ""), ("PostgreSQL", cluster.url)):
            os.environ["PALAVER_DATABASE_URL"] = url
            folder = Path(name) / database
            folder.mkdir()
            with start_server(folder) as server:
                outcome = explore(server, args.examples)
            passed &= outcome.passed and outcome.cases >= ASKED
            result = "passed" if outcome.passed else "FAILED"
            rows.append([database, outcome.operations, str(outcome.cases), f"≥ {ASKED}", result])
            if not outcome.passed:
                print(outcome.output, file=sys.stderr)
    words = f"Schemathesis, every request signed afresh; checks: {', '.join(CHECKS)}. A 500 passes only with code 1201."
    report("contract", "The management API against its description", words, table(rows))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
