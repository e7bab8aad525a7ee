#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# check-readmes.sh [ROOT]: each folder opens with a README.md of at most 15 lines.
set -euo pipefail

cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"
readonly MOST=15
bad=0

complain() {
    echo "$*" >&2
    bad=1
}

check_folder() {
    local readme=$1/README.md lines
    # A folder that holds nothing yet is not in the repository.
    [ -n "$(find "$1" -type f -print -quit)" ] || return 0
    if [ ! -s "$readme" ]; then
        complain "$1: no README.md"
        return 0
    fi
    lines=$(wc -l <"$readme")
    [ "$lines" -le "$MOST" ] || complain "$readme: $lines lines, at most $MOST"
}

for folder in api bench docs man packaging scripts src/* studies studies/study studies/workloads \
    studies/workloads/*/ tests; do
    [ ! -d "$folder" ] || check_folder "$folder"
done
exit "$bad"
