#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# fuzz.sh build               builds every fuzz target (clang, libFuzzer, ASan, UBSan, and
#                             counters for coverage) into build-fuzz and prints their paths
# fuzz.sh run TARGET SECONDS  feeds one of them for so long; an input that breaks it is left
#                             in build-fuzz/findings
# fuzz.sh coverage            how many lines of each decoder (tests/fuzz/decoders.txt) the corpus
#                             reaches; fails below 90 per cent
# fuzz.sh keep [NAME...]      makes the corpus anew (of these) from itself and what runs have found:
#                             the fewest inputs that reach all that any of them reaches
# fuzz.sh record PROGRAM...   runs each on a vGPU of build/ and adds what it sent to the frames
#                             that the next keep looks at
#
# Seeds are tests/fuzz/corpus/NAME.tar.gz, and what seeds.py writes from tests/fuzz/seeds/NAME/*;
# words are NAME.dict, in tests/fuzz or generated, or else the dictionary generated from the API
# description. The targets fuzz_frame_* share the corpus and the seeds of fuzz_frame; what these
# save is what fuzz_restore begins with.
#
# -O0 compiles in a third of the time that -O1 takes, and feeds the worker's targets at three
# quarters of its rate: FUZZ_OPTIMIZATION=1 is for runs of minutes.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly dir=build-fuzz corpora=tests/fuzz/corpus
readonly optimization=${FUZZ_OPTIMIZATION:-0}
# A run of less than so many seconds begins with about so many inputs: it would be over before it
# had read all. With them all `coverage` runs each program once.
readonly SHORT_S=10 SHORT_INPUTS=120

# targets: the programs there.
targets() {
    meson introspect "$dir" --targets |
        jq -r '.[] | select(.type == "executable" and (.name | startswith("fuzz_"))) | .filename[0]'
}

configured() {
    meson introspect "$dir" --buildoptions |
        jq -e ".[] | select(.name == \"optimization\" and .value == \"$optimization\")" >/dev/null
}

# One build for both: what feeds a decoder also counts the lines that it reaches. Without
# warnings, which the other builds give; with a linker that takes a third of the time.
configure() {
    local flags='-fsanitize=fuzzer-no-link -fno-sanitize-recover=all -w -gline-tables-only'
    flags+=' -fprofile-instr-generate=/dev/null -fcoverage-mapping'
    if [ ! -f "$dir/build.ninja" ]; then
        CC=clang CC_LD=gold meson setup "$dir" -Dfuzz=true -Dwerror=false -Dwarning_level=0 \
            -Ddebug=false -Doptimization="$optimization" -Db_sanitize=address,undefined \
            -Db_lundef=false -Dc_args="$flags" -Dc_link_args=-fprofile-instr-generate >&2
    elif ! configured; then
        meson configure "$dir" -Doptimization="$optimization"
    fi
}

build() {
    local exes
    configure
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

# shared NAME: whose corpus it uses.
shared() {
    [[ $1 == fuzz_frame_* ]] && echo fuzz_frame || echo "$1"
}

# saved FOLDER: writes the sessions that the seeds of fuzz_frame come to, saved.
saved() {
    local frames=$dir/seeds/fuzz_frame_saved
    /usr/bin/python3 tests/fuzz/seeds.py api/opencl.toml tests/fuzz/seeds/fuzz_frame "$frames"
    rm -rf "$1" && mkdir -p "$1"
    FUZZ_SAVE_DIR=$1 "$dir/tests/fuzz/fuzz_frame_lifecycle" "$frames"/*-saved >/dev/null 2>&1
}

# seeds NAME: writes its seeds and its corpus and prints the folders.
seeds() {
    local name written=$dir/seeds/$1 unpacked=$dir/kept/$1
    name=$(shared "$1")
    if [ -d "tests/fuzz/seeds/$name" ]; then
        /usr/bin/python3 tests/fuzz/seeds.py api/opencl.toml "tests/fuzz/seeds/$name" "$written"
        echo "$written"
    fi
    if [ "$name" = fuzz_restore ]; then
        saved "$written"
        echo "$written"
    fi
    if [ -f "$corpora/$name.tar.gz" ]; then
        rm -rf "$unpacked" && mkdir -p "$unpacked"
        tar -xzf "$corpora/$name.tar.gz" -C "$unpacked"
        echo "$unpacked"
    fi
}

# part NAME FOLDER...: links some of the inputs into a folder and prints it. Targets that share them
# have different ones.
part() {
    local name=$1 to=$dir/part/$1 files picked=() step i=0 program
    shift
    mapfile -t files < <(find "$@" -type f | LC_ALL=C sort)
    step=$((${#files[@]} / SHORT_INPUTS + 1))
    for program in "$dir"/tests/fuzz/"$(shared "$name")"*.p; do
        [[ $program != */"$name.p" ]] || break
        i=$((i + 1))
    done
    for ((i %= step; i < ${#files[@]}; i += step)); do
        picked+=("${files[i]}")
    done
    rm -rf "$to" && mkdir -p "$to"
    ln -t "$to" "${picked[@]}"
    echo "$to"
}

run() {
    local exe=$1 seconds=$2 name corpus args=() folders=()
    name=$(basename "$exe")
    corpus=$dir/corpus/$name
    mkdir -p "$corpus" "$dir/findings"
    mapfile -t args < <(dictionary "$name")
    mapfile -t folders < <(seeds "$name")
    if [ "$seconds" -lt "$SHORT_S" ] && [ "${#folders[@]}" -gt 0 ]; then
        mapfile -t folders < <(part "$name" "${folders[@]}")
    fi
    args+=("$corpus" "${folders[@]}")
    exec "$exe" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$dir/findings/$name-" "${args[@]}"
}

# profile EXE: what its corpus reaches. One that an input breaks leaves no profile.
profile() {
    local name folders
    name=$(basename "$1")
    mapfile -t folders < <(seeds "$name")
    [ "${#folders[@]}" -gt 0 ] || return 0
    LLVM_PROFILE_FILE=$dir/profiles/$name.profraw "$1" -runs=0 "${folders[@]}" \
        >"$dir/profiles/$name.log" 2>&1 && return
    tail -n 20 "$dir/profiles/$name.log" >&2
    touch "$dir/profiles/failed"
}

coverage() {
    local exes exe cores objects=()
    cores=$(nproc)
    mapfile -t exes < <(build)
    rm -rf "$dir/profiles" && mkdir -p "$dir/profiles"
    for exe in "${exes[@]}"; do
        # What these differ in is how they change inputs.
        [[ $exe != *_frame_* || $exe == *_frame_lifecycle ]] || continue
        [ "$(jobs -rp | wc -l)" -lt "$cores" ] || wait -n
        profile "$exe" &
        objects+=(-object "$exe")
    done
    wait
    llvm-profdata-14 merge -sparse "$dir"/profiles/*.profraw -o "$dir/all.profdata"
    llvm-cov-14 export -format=lcov -instr-profile="$dir/all.profdata" "${objects[@]}" \
        >"$dir/lines.lcov"
    /usr/bin/python3 tests/fuzz/coverage.py tests/fuzz/decoders.txt "$dir/lines.lcov"
    [ ! -e "$dir/profiles/failed" ]
}

# merge NAME EXE FOLDER...: what of these reaches something new, as the corpus of NAME.
merge() {
    local name=$1 exe=$2 into=$dir/merged/$1
    shift 2
    rm -rf "$into" && mkdir -p "$into" "$corpora"
    "$exe" -merge=1 -use_counters=0 -rss_limit_mb=2048 -timeout=10 "$into" "$@" 2>/dev/null
    tar -C "$into" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - . |
        gzip -9n >"$corpora/$name.tar.gz"
}

keep() {
    local exes exe name folders
    mapfile -t exes < <(build)
    for exe in "${exes[@]}"; do
        name=$(shared "$(basename "$exe")")
        [ "$name" != fuzz_frame ] || [[ $exe == *_images ]] || continue
        [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
        mapfile -t folders < <(
            seeds "$name"
            find "$dir/corpus" -maxdepth 1 -name "$name*"
        )
        merge "$name" "$exe" "${folders[@]}"
    done
}

# Each program is a command line; one that fails has sent something all the same.
record() {
    local tmp line
    build >/dev/null && ninja -C "$dir" --quiet tests/fuzz/recording-worker >&2
    tmp=$(mktemp -d)
    export TESSERA_RUNTIME_DIR=$tmp/run TESSERA_STATE_DIR=$tmp/state TESSERA_NO_START=1
    export TESSERA_CALLLOG=$tmp/frames ASAN_OPTIONS=detect_leaks=0:handle_segv=0
    build/tesserad --worker "$PWD/$dir/tests/fuzz/recording-worker" 2>"$tmp/log" &
    trap 'build/tessera shutdown --end >/dev/null; rm -rf "$tmp"' RETURN
    for ((i = 0; i < 100; i++)); do
        ! build/tessera gpus >/dev/null 2>&1 || break
        sleep 0.1
    done
    for line in "$@"; do
        # shellcheck disable=SC2086 # words of a command line
        timeout 100 build/tessera run --type cpu-512m -- $line >/dev/null 2>&1 ||
            echo "status $?: $line" >&2
    done
    /usr/bin/python3 tests/fuzz/recordings.py api/opencl.toml "$dir/corpus/fuzz_frame_recorded" \
        "$tmp"/frames.*
}

case "${1:-}" in
build) build ;;
run) run "$2" "$3" ;;
coverage) coverage ;;
keep) shift && keep "$@" ;;
record) shift && record "$@" ;;
*) sed -n '4,16s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
