#!/usr/bin/env bash
# Runs the public HTTP cache test suite through the real binary, and compares with what is expected of each test.
#
#   tests/outside/conformance.sh              npm's release of the suite, in the version below
#   tests/outside/conformance.sh FOLDER       a checkout of the suite, with its packages installed
#
# Needs node, and npm's registry for the packages of the suite; without them it fails, and says so.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=http-cache-tests version=0.4.5

for tool in node npm; do
  command -v "$tool" >/dev/null || { echo "conformance: $tool is missing; install Node.js" >&2; exit 1; }
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
folder=${1:-}
if [ -z "$folder" ]; then
  quiet=(--ignore-scripts --no-audit --no-fund --no-update-notifier --no-package-lock --loglevel=error)
  patience=(--fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=20000)
  if ! timeout -k 5 70 npm install --prefix "$scratch" "${quiet[@]}" "${patience[@]}" "$suite@$version" >"$scratch/says" 2>&1; then
    cat "$scratch/says" >&2
    echo "conformance: nothing was tested, for $suite $version could not be fetched from npm; is this machine offline?" >&2
    exit 1
  fi
  folder=$scratch/node_modules/$suite
fi

cargo build --quiet --bin seawall
node --no-warnings tests/conformance/run.mjs "$folder" "${CARGO_TARGET_DIR:-target}/debug/seawall" "$scratch"
