#!/usr/bin/env bash
# Seawall beside nginx, Varnish, HAProxy and bare hyper, in one interleaved pinned run; prints Markdown.
#
#   benches/load.sh                        all rows, 5 rounds of 3 s each: some ten minutes
#   ROUNDS=1 SECS=1 benches/load.sh        to see whether it works
#   ROWS="1k blocked" benches/load.sh      some rows: 1k 16k 256k 10k blocked nc1k
#   SEAWALL=path BARE=path benches/load.sh binaries that are built already
#
# Seawall runs with its evidence log on, RULES rules loaded (a million), and /metrics read every second.
# The peers, their tuning and the load come from `../shared/peers` beside the repository; without it, or
# without its tools, this says what is missing and ends well. docs/performance.md says how to read it.
set -euo pipefail
cd "$(dirname "$0")/.."

ROUNDS=${ROUNDS:-5} SECS=${SECS:-3} RULES=${RULES:-1000000}
ROWS=${ROWS:-1k 16k 256k 10k blocked nc1k}
PEERS=${PEERS:-../shared/peers/peers}
TARGETS=nginx,nginxlog,varnish,haproxy

say() { printf '%s\n' "$*" >&2; }

missing=()
[ -x "$PEERS" ] || missing+=("$PEERS, which starts and measures the peers")
for tool in python3 curl wrk taskset nginx varnishd haproxy; do
  command -v "$tool" >/dev/null || missing+=("$tool (\`peers setup\` installs what the peers need)")
done
[ -d "${PEERS_DIR:-${TMPDIR:-/tmp}/seawall-peers}/origin/www" ] || missing+=("the peers' folder: run \`$PEERS setup\` once")
[ "$(nproc)" -ge 2 ] || missing+=("a second core: one is for the servers, one for the load")
if [ ${#missing[@]} -gt 0 ]; then
  say "benches/load.sh measures nothing here; missing:"
  for one in "${missing[@]}"; do say "  $one"; done
  exit 0
fi

# Everything that is started is ended by its own id, whatever happens.
work=$(mktemp -d "${TMPDIR:-/tmp}/seawall-load-XXXXXX")
started=() peers_started=()
end() {
  trap - EXIT INT TERM
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [ ${#peers_started[@]} -gt 0 ]; then "$PEERS" down "${peers_started[@]}" >&2 || true; fi
  rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM

revision="of unknown revision"
if [ -z "${SEAWALL:-}" ] || [ -z "${BARE:-}" ]; then
  if [ -z "${SEAWALL:-}" ]; then revision=$(git describe --always --dirty 2>/dev/null || echo "$revision"); fi
  cargo build --release --bin seawall --example bare_hyper >&2
  target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')
  SEAWALL=${SEAWALL:-$target/release/seawall} BARE=${BARE:-$target/release/examples/bare_hyper}
fi

mkdir "$work/blocklist.d"
cat >"$work/seawall.toml" <<CONFIG
[edge]
listen = ["127.0.0.1:0"]
[admin]
listen = "127.0.0.1:0"
[takedown]
lists = ["blocklist.d"]
[audit]
client = "truncated"
sync = "interval"
[[site]]
name = "load"
hosts = ["o"]
origin = "http://127.0.0.1:18080"
CONFIG

# What a process printed behind a word, as soon as it has.
printed() {
  local tries
  for tries in $(seq 200); do
    if grep -q "^$2 http://" "$1" 2>/dev/null; then sed -n "s|^$2 ||p" "$1" | head -n 1; return; fi
    sleep 0.05
  done
  say "nothing behind \`$2\` in $1 within 10 s"; cat "${1%.out}.err" >&2
  return 1
}

"$SEAWALL" run -c "$work/seawall.toml" >"$work/seawall.out" 2>"$work/seawall.err" &
seawall_pid=$!; started+=("$seawall_pid")
"$BARE" 127.0.0.1:0 >"$work/bare.out" 2>"$work/bare.err" &
bare_pid=$!; started+=("$bare_pid")
edge=$(printed "$work/seawall.out" edge) admin=$(printed "$work/seawall.out" admin)
bare=$(printed "$work/bare.out" bare)

# The list, saved while it runs: how long until it is in force, and what it takes.
memory() { sed -n "s/^$1:[^0-9]*\([0-9]*\) kB/\1/p" "/proc/$seawall_pid/status"; }
python3 - "$RULES" >"$work/list" <<'LIST'
import sys
count = int(sys.argv[1])
print("https://o/blocked/1k notice=N-0")
for i in range(1, count):
    print(f"https://o/photos/{i % 977}/{i * 2654435761 % 4294967296:08x}.jpg notice=N-{i % 5000}")
LIST
resident=$(memory VmRSS) saved=$(date +%s%N)
mv "$work/list" "$work/blocklist.d/list.txt"
until [ "$(curl -s -o "$work/answer" -w '%{http_code}' -H 'Host: o' "$edge/blocked/1k")" = 451 ]; do
  [ $(($(date +%s%N) - saved)) -lt 60000000000 ] || { say "the list was not in force within a minute"; exit 1; }
  sleep 0.02
done
in_force=$((($(date +%s%N) - saved) / 1000000))
sleep 3
list_line="A list of $RULES exact URLs: in force $in_force ms after its save; resident $(((  $(memory VmRSS) - resident) / 1024)) MiB more 3 s later, $((($(memory VmHWM) - resident) / 1024)) MiB more at the peak."

for name in origin ${TARGETS//,/ }; do
  "$PEERS" list | grep running | grep -q "'$name'" || peers_started+=("$name")
done
if [ ${#peers_started[@]} -gt 0 ]; then "$PEERS" up "${peers_started[@]}" >&2; fi

python3 - "$admin/metrics" <<'READ' &
import sys, time, urllib.request
while True:
    urllib.request.urlopen(sys.argv[1], timeout=10).read()
    time.sleep(1)
READ
started+=("$!")

# A row of the table is a scenario of the peers, or two views of one server beside each other.
bench() { "$PEERS" bench --rounds "$ROUNDS" --secs "$SECS" --out "$work/results-$1.jsonl" "${@:2}" >&2; }
ours=(--extra "seawall=$edge@$seawall_pid")
for row in $ROWS; do
  case $row in
    1k | 16k | 256k) bench "$row" --scenarios "$row" --targets $TARGETS "${ours[@]}" --extra "bare=$bare@$bare_pid" ;;
    blocked) bench "$row" --scenarios 1k "${ours[@]}" --extra "blocked=$edge/blocked@$seawall_pid" ;;
    *) bench "$row" --scenarios "$row" --targets $TARGETS "${ours[@]}" ;;
  esac
done

kill -0 "$seawall_pid" || { say "seawall did not live to the end:"; tail -n 20 "$work/seawall.err" >&2; exit 1; }
version() { "$@" 2>&1 | grep -o '[0-9]\+\.[0-9]\+\.[0-9]\+' | head -n 1; }
python3 benches/load_table.py "$work" <<FACTS
$(date -u +%Y-%m-%d), $(nproc) cores ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)), Linux $(uname -r | cut -d- -f1)
Seawall $("$SEAWALL" --version | cut -d' ' -f2) ($revision), nginx $(version nginx -v), Varnish $(version varnishd -V), HAProxy $(version haproxy -v), $(grep -A1 '^name = "hyper"$' Cargo.lock | sed -n 's/version = "\(.*\)"/hyper \1/p')
$ROUNDS interleaved rounds of $SECS s; servers on one core, load on another; $RULES rules, evidence on, metrics read every second
$list_line
FACTS
