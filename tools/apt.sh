#!/bin/bash
# Installs Debian packages whose command or file is missing: apt.sh <command or path>:<package>…
# A bare <package> is looked up in dpkg's list.
set -euo pipefail
missing=()
for pair in "$@"; do
  if [[ $pair != *:* ]]; then
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$pair" 2>/dev/null)" = installed ] || missing+=("$pair")
  else
    command -v "${pair%%:*}" >/dev/null || [ -e "${pair%%:*}" ] || missing+=("${pair##*:}")
  fi
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "these Debian packages are needed: ${missing[*]} (run as root, or: sudo apt-get install ${missing[*]})" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
