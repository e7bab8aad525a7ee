#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# fuzz.sh build               builds every fuzz target (clang, libFuzzer, ASan, UBSan) into
#                             build-fuzz and prints their paths
# fuzz.sh run TARGET SECONDS  feeds one of them for so long; an input that breaks it is left
#                             in build-fuzz/findings
#
# Seeds are tests/fuzz/corpus/NAME/*, or written from tests/fuzz/seeds/NAME/* by seeds.py; words
# are NAME.dict, in tests/fuzz or generated, or else the dictionary generated from the API
# description.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly dir=build-fuzz

targets() {
    meson introspect "$dir" --targets |
        jq -r '.[] | select(.type == "executable" and (.name | startswith("fuzz_"))) | .filename[0]'
}

build() {
    local exes
    [ -f "$dir/build.ninja" ] || CC=clang meson setup "$dir" --buildtype=debugoptimized \
        -Dfuzz=true -Dwerror=false -Db_sanitize=address,undefined -Db_lundef=false \
        -Dc_args='-fsanitize=fuzzer-no-link -fno-sanitize-recover=all' >&2
    # So that a fuzz target added since the last configuration is listed, too.
    ninja -C "$dir" --quiet build.ninja >&2
    mapfile -t exes < <(targets)
    [ "${#exes[@]}" -gt 0 ] || return 0
    ninja -C "$dir" --quiet "${exes[@]#"$PWD/$dir/"}" >&2
    printf '%s\n' "${exes[@]}"
}

# dictionary NAME: the option that names its words, if there are any.
dictionary() {
    local file
    file=$(find tests/fuzz "$dir" -name "$1.dict" -print -quit)
    [ -n "$file" ] || file=$(find "$dir" -path '*api*' -name '*.dict' -print -quit)
    [ -z "$file" ] || echo "-dict=$file"
}

# seeds NAME: the folder of its seeds, if it has any.
seeds() {
    local written=$dir/seeds/$1
    if [ -d "tests/fuzz/seeds/$1" ]; then
        /usr/bin/python3 tests/fuzz/seeds.py api/opencl.toml "tests/fuzz/seeds/$1" "$written"
        echo "$written"
    elif [ -d "tests/fuzz/corpus/$1" ]; then
        echo "tests/fuzz/corpus/$1"
    fi
}

run() {
    local exe=$1 seconds=$2 name corpus seeds args=()
    name=$(basename "$exe")
    corpus=$dir/corpus/$name
    mkdir -p "$corpus" "$dir/findings"
    mapfile -t args < <(dictionary "$name")
    seeds=$(seeds "$name")
    args+=("$corpus" ${seeds:+"$seeds"})
    "$exe" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$dir/findings/$name-" "${args[@]}"
}

case "${1:-}" in
build) build ;;
run) run "$2" "$3" ;;
*) sed -n '4,7s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
