#!/bin/bash
# Looks for what the build needs and says what is missing; what Debian has is installed.
set -euo pipefail
here=$(dirname "$0")
bash "$here/apt.sh" cc:gcc make:make
python=${PYTHON:-python3}
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
need() { # name, version found, version needed, where to get it
  at_least "${2:-0}" "$3" || { echo "$1 $3 or later is needed, found: ${2:-none}. $4" >&2; exit 1; }
}
need Python "$("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null || true)" 3.11 "Debian 12 has it: apt-get install python3"
need Rust "$(cargo --version 2>/dev/null | cut -d ' ' -f 2 || true)" 1.89 "Debian's is too old; get it with rustup."
need Node "$(node --version 2>/dev/null | tr -d v || true)" 20.0 "See nodejs.org."
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  [ "$(id -u)" -eq 0 ] || { echo "apt-get install python3-venv is needed" >&2; exit 1; }
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
fi
