#!/usr/bin/env bash
# Installs Debian packages that the studio's tests need, when the first command is not there: require.sh COMMAND [PACKAGE ...]
set -euo pipefail
command=$1
shift
if command -v "$command" >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${@:-$command}" >/dev/null
else
  echo "$command is missing. Install it and try again (Debian: apt-get install ${*:-$command})." >&2
  exit 1
fi
