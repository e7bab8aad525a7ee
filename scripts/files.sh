#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# files.sh (c | shell | source): the project's own files of one kind, one a line, in the
# working tree: known to git or about to be, or, outside a clone, all outside build trees.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

all() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard
    else
        find . -path './build*' -prune -o -path ./.git -prune -o -type f -printf '%P\n'
    fi | while IFS= read -r f; do
        [ ! -f "$f" ] || printf '%s\n' "$f"
    done | sort -u
}

readonly PACKAGING='^packaging/(debian/.*(inst|rm)|service-stopped|libvirt-hook)$'
readonly SCRIPT="\\.(sh|bash)\$|^\\.ci/run\$|$PACKAGING"
readonly OTHER='\.([ch]|cl|py|bats|toml)$|(^|/)(meson\.build|meson_options\.txt|Makefile)$'

case "${1:-}" in
c) all | grep -E '\.[ch]$' ;;
shell) all | grep -E "$SCRIPT" ;;
source) all | grep -E "$SCRIPT|$OTHER" ;;
*) sed -n '4,5s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac || true # no such file is no error
