#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# lint.sh [BUILD [FILE-REGEX]]: clang-tidy over what BUILD compiles of our own files.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:-build}
pattern=${2:-"^$PWD/(src|api|tests|bench|studies)/"}

# The compile commands are gcc's: clang does not know all of its warnings.
run-clang-tidy-14 -quiet -p "$build" -j "$(nproc)" \
    -extra-arg=-Wno-unknown-warning-option -extra-arg=-Wno-error "$pattern"
