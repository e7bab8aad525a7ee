#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# format.sh [--check]: lays out all C files by .clang-format, or tells which are not so.
# Version 14 of clang-format, since versions differ.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

mapfile -t files < <(scripts/files.sh c)
[ "${#files[@]}" -gt 0 ] || exit 0
if [ "${1:-}" = --check ]; then
    if ! clang-format-14 --dry-run --Werror --ferror-limit=1 "${files[@]}" 2>&1 |
        sed -n 's/: error: code should be clang-formatted.*/: not laid out by .clang-format/p'; then
        echo "run: make format"
        exit 1
    fi
else
    clang-format-14 -i "${files[@]}"
fi
