#!/usr/bin/env bash
# Counts the instructions of a hit without sockets, and compares them with benches/instructions.txt.
#
#   tests/outside/instructions.sh            fails if a hit costs over 3 % more than is written down
#   tests/outside/instructions.sh --write    writes down what it costs now
#
# Instructions don't drift with the machine's load as time does. Another compiler counts differently: then
# there is nothing to compare with, and the script says so.
set -euo pipefail
cd "$(dirname "$0")/../.."
known=benches/instructions.txt

if ! command -v valgrind >/dev/null; then
  apt-get install -y --no-install-recommends valgrind >/dev/null 2>&1 ||
    { apt-get update >/dev/null 2>&1 && apt-get install -y --no-install-recommends valgrind >/dev/null 2>&1; } ||
    { echo "instructions: valgrind is missing and can't be installed; install it (as root: apt-get install valgrind)" >&2; exit 1; }
fi

cargo build --release --quiet --example instructions
program="${CARGO_TARGET_DIR:-target}/release/examples/instructions"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The count is of one function and one thread, so the log's own threads don't blur it.
valgrind --tool=callgrind --callgrind-out-file="$scratch/out" --toggle-collect='*instructions::hits*' \
  "$program" >"$scratch/says" 2>"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
hits=$(awk '$1 == "hits" { print $2 }' "$scratch/says")
all=$(awk '/Collected/ { print $NF }' "$scratch/log")
now=$((all / hits))
compiler=$(rustc --version | cut -d' ' -f2)

if [ "${1:-}" = --write ]; then
  printf '%s\nrustc %s\n' "$now" "$compiler" >"$known"
fi
{ read -r before; read -r _ by; } <"$known"
if [ "$by" != "$compiler" ]; then
  echo "instructions: $now a hit by rustc $compiler; $before were counted by rustc $by, so nothing is compared"
elif [ $((now * 100)) -gt $((before * 103)) ]; then
  echo "instructions: $now a hit, over 3 % more than the $before written down in $known" >&2
  exit 1
else
  echo "instructions: ok, $now a hit ($before written down)"
fi
