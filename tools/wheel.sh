#!/bin/bash
# Leaves the wheels in dist/: palaver with the page inside, and palaver-client. `make wheel` has built core and page before.
# TARGETS="x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu": built with Zig as linker, for glibc 2.28 and later; else for
# this machine's processor and the oldest glibc that the core, as it was linked here, runs on.
set -euo pipefail
cd "$(dirname "$0")/.."
page=palaver/api/site
trap 'rm -rf "$page"' EXIT
rm -rf "$page" dist/palaver-*.whl dist/palaver_client-*.whl
cp -r web/dist "$page"
if [ -z "${TARGETS:-}" ]; then
  maturin build --release --quiet --out dist
fi
for target in ${TARGETS:-}; do
  rustup target list --installed | grep -qx "$target" || rustup target add "$target"
  maturin build --release --quiet --zig --compatibility manylinux_2_28 --target "$target" --interpreter python3.11 --out dist
done
uv build --quiet --wheel --no-build-isolation --out-dir dist packaging/palaver-client
ls dist/*.whl
