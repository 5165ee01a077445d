#!/usr/bin/env bash
# Asks for what is blocked in every spelling that the corpus knows, with nginx and Apache behind the edge.
#
#   tests/outside/spellings.sh           1,000 spellings of each URL
#   tests/outside/spellings.sh 5000      as many as are given
#
# Needs nginx and apache2 on the path; as root it installs them from Debian's packages.
set -euo pipefail
cd "$(dirname "$0")/../.."

install() {
  local policy=/usr/sbin/policy-rc.d mine=
  # A package's own service must not start.
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    mine=$policy
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 ||
    { apt-get update >/dev/null 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1; }
  local outcome=$?
  [ -z "$mine" ] || rm -f "$mine"
  return $outcome
}

export PATH="$PATH:/usr/sbin"
command -v nginx >/dev/null || install nginx-light || { echo "spellings: nginx is missing and can't be installed; install it (as root: apt-get install nginx-light)" >&2; exit 1; }
command -v apache2 >/dev/null || install apache2-bin || { echo "spellings: apache2 is missing and can't be installed; install it (as root: apt-get install apache2-bin)" >&2; exit 1; }

SEAWALL_SPELLINGS=${1:-1000} cargo test --quiet --test tests -- --ignored --nocapture spellings
