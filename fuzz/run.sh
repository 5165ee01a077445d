#!/usr/bin/env bash
# Runs the fuzz targets with coverage guidance, by the compiler that everything else is built with.
#
#   fuzz/run.sh              each target for a minute
#   fuzz/run.sh 600 head url these for ten minutes
#
# Inputs that reached something new are kept in fuzz/corpus, those that broke something in fuzz/artifacts:
# give one to a target's program to see it again. `cargo fuzz` works as well, and wants a nightly compiler.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  targets=(head answer chunks url kept decoding list list_{hosts,plain,sha256,urlhaus,adblock,rpz,deny,aclj})
fi

# What cargo-fuzz passes, less the sanitizers, which a stable compiler doesn't have.
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions=on -Ccodegen-units=1"
host=$(rustc -vV | sed -n 's/^host: //p')
# With a target named, the flags don't reach build scripts.
RUSTFLAGS=$coverage cargo build --release --quiet --target "$host"
programs=${CARGO_TARGET_DIR:-target}/$host/release

for target in "${targets[@]}"; do
  mkdir -p "corpus/$target" "artifacts/$target"
  echo "== $target, $seconds s"
  "$programs/$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -artifact_prefix="artifacts/$target/" \
    -print_final_stats=0 "corpus/$target" "seeds/$target" 2>"artifacts/$target.log" ||
    { tail -n 40 "artifacts/$target.log" >&2; echo "$target broke" >&2; exit 1; }
  grep 'DONE' "artifacts/$target.log"
done
