# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the end-to-end tests share. Each file has a manager of its own, with folders below
# BATS_FILE_TMPDIR; e2e_begin starts it in setup_file, e2e_end ends it in teardown_file.
#
# One body, several machines: a link to a file says by its name what it runs on.
#   NAME.bats            a software GPU of 2 GiB that shares storage with the guest
#   NAME-discrete.bats   one that does not
#   NAME-fake.bats       the fake back end, for what does not depend on results

# shellcheck disable=SC2034 # the files use them
readonly TYPE=cpu-512m FRAMEBUFFER=536870912 MIB=1048576

# One compiler cache for the whole run, PoCL's native one too: a compilation takes seconds.
# `make check` has one for all its stages.
COMPILED=${TESSERA_TEST_CACHE:-${BATS_RUN_TMPDIR:-}/pocl}

e2e_begin() {
    export BUILD=${TESSERA_BUILD:-$(realpath "$BATS_TEST_DIRNAME/../../build")}
    export TESSERA=$BUILD/tessera PROGRAMS=$BUILD/tests/e2e/programs
    export TRAIN=$BUILD/studies/workloads/tessera-train
    export TESSERA_RUNTIME_DIR=$BATS_FILE_TMPDIR/run TESSERA_STATE_DIR=$BATS_FILE_TMPDIR/state
    export TESSERA_NO_START=1 MANAGER_LOG=$BATS_FILE_TMPDIR/tesserad.log
    case $(basename "$BATS_TEST_FILENAME" .bats) in
    *-discrete) export TESSERA_SOFTWARE_DISCRETE=1 ;;
    *-fake) export TESSERA_BACKEND=fake ;;
    esac
    [ -n "${OWN_CACHES:-}" ] || share_cache
    manager_start "$@"
}

# What one GPU has compiled the other finds.
share_cache() {
    mkdir -p "$COMPILED"
    export TESSERA_SHARE_CACHE=1
    mkdir -m 700 "$TESSERA_RUNTIME_DIR" "$TESSERA_RUNTIME_DIR/cache"
    ln -s "$COMPILED" "$TESSERA_RUNTIME_DIR/cache/.gpu0"
    ln -s "$COMPILED" "$TESSERA_RUNTIME_DIR/cache/.gpu1"
}

e2e_end() {
    manager_stop
}

# To be called by teardown: what a test started, and the vGPUs it made, are gone after it. So
# is a manager that it had for itself, by its own TESSERA_RUNTIME_DIR.
e2e_clean() {
    export TESSERA_NO_START=1
    if [ "$TESSERA_RUNTIME_DIR" != "$BATS_FILE_TMPDIR/run" ]; then
        timeout 30 "$TESSERA" shutdown --end >/dev/null 2>&1 || true
        export TESSERA_RUNTIME_DIR=$BATS_FILE_TMPDIR/run
    fi
    programs_end
    timeout 20 "$TESSERA" delete all >/dev/null 2>&1 || true
}

# The manager.

manager_pid() {
    cat "$BATS_FILE_TMPDIR/tesserad.pid"
}

manager_serves() {
    "$TESSERA" gpus >/dev/null 2>&1
}

# manager_start [OPTION...]
manager_start() {
    "$BUILD/tesserad" "$@" >>"$MANAGER_LOG" 2>&1 3>&- &
    echo $! >"$BATS_FILE_TMPDIR/tesserad.pid"
    disown $!
    within 30 manager_serves || {
        cat "$MANAGER_LOG"
        return 1
    }
    record_calls
}

# Where TESSERA_CALLS names a folder, guests run behind the interposing driver, which notes there
# which functions each test's programs call (docs/opencl-calls.md).
record_calls() {
    [ -n "${TESSERA_CALLS:-}" ] || return 0
    export TESSERA_CALLLOG_DRIVER=$BUILD/libtessera-opencl.so TESSERA_CALLLOG_ONCE=1
    echo "$BUILD/tests/calllog/libcalllog.so" >"$TESSERA_RUNTIME_DIR/icd/tessera.icd"
}

if [ -n "${TESSERA_CALLS:-}" ] && [ -n "${BATS_TEST_NUMBER:-}" ]; then
    TESSERA_CALLLOG=$TESSERA_CALLS/$(basename "$BATS_TEST_FILENAME" .bats)/$BATS_TEST_NUMBER
    export TESSERA_CALLLOG
    mkdir -p "$TESSERA_CALLLOG"
fi

manager_stop() {
    local pid
    pid=$(manager_pid) || return 0
    timeout 30 "$TESSERA" shutdown --end >/dev/null 2>&1 || true
    end_process "$pid"
}

# own_manager OPTION...: a manager of the test's own, with a vGPU `a`; programs_end ends it.
own_manager() {
    own_log=$BATS_TEST_TMPDIR/own.log
    export TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/run TESSERA_STATE_DIR=$BATS_TEST_TMPDIR/state
    share_cache
    start "$own_log" "$BUILD/tesserad" "$@"
    within 30 manager_serves
    "$TESSERA" create a --type $TYPE
}

# For what takes a minute and moves few bytes.
on_shared_storage_alone() {
    [ -z "${TESSERA_SOFTWARE_DISCRETE:-}" ] || skip "takes long: on shared storage alone"
}

# Waiting.

# within SECONDS COMMAND...: as soon as it succeeds; fails when it never does in that time. What
# takes longer is asked for less often: asking takes processor time from what is waited for.
within() {
    local begin limit_ms=$(($1 * 1000)) nap_ms=20 left_ms nap
    begin=$(now_ms)
    shift
    until "$@"; do
        left_ms=$((begin + limit_ms - $(now_ms)))
        [ "$left_ms" -gt 0 ] || return 1
        printf -v nap 0.%03d $((nap_ms < left_ms ? nap_ms : left_ms))
        sleep "$nap"
        [ "$nap_ms" -ge 200 ] || nap_ms=$((nap_ms + nap_ms / 4))
    done
}

now_ms() {
    local now=${EPOCHREALTIME/./}
    echo $((now / 1000))
}

is_gone() {
    local state
    state=$(ps -o state= -p "$1") || return 0
    [ "$state" = Z ]
}

# Asks a process to leave, then makes it.
end_process() {
    kill "$1" 2>/dev/null || return 0
    within 3 is_gone "$1" || kill -9 "$1" 2>/dev/null || true
}

# Programs in the background.

# start LOG COMMAND...: sets started to its process.
start() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 3>&- &
    started=$!
    echo "$started" >>"$BATS_TEST_TMPDIR/started"
}

# on NAME PROGRAM...: runs it there, in time.
on() {
    local name=$1
    shift
    timeout --foreground "${LIMIT_S:-60}" "$TESSERA" run "$name" -- "$@"
}

# start_on NAME LOG PROGRAM...
start_on() {
    local name=$1 log=$2
    shift 2
    start "$log" "$TESSERA" run "$name" -- "$@"
}

# ended_with STATUS PID
ended_with() {
    local status=0
    wait "$2" || status=$?
    echo "process $2 ended with status $status"
    [ "$status" -eq "$1" ]
}

programs_end() {
    local pid
    [ -f "$BATS_TEST_TMPDIR/started" ] || return 0
    while read -r pid; do
        end_process "$pid"
    done <"$BATS_TEST_TMPDIR/started"
}

# What `tessera run` in process $1 runs. (What sanitizer-view.sh puts in its place has children of
# its own before it becomes tessera.)
program_of() {
    [ "$(ps -o comm= -p "$1")" = tessera ] && pgrep -P "$1"
}

says() {
    grep -q -e "$2" "$1"
}

# What the manager tells.

# of_vgpu NAME FILTER
of_vgpu() {
    "$TESSERA" show "$1" -o json | jq -r "$2"
}

# Why the last session of vGPU `a` was ended.
last_error_says() {
    of_vgpu a .last_error.message
    [[ "$(of_vgpu a .last_error.message)" == *"$1"* ]]
}

# attack NAME: one of tests/hostile, on vGPU `a`.
attack() {
    on a "$BUILD/tests/hostile/hostile" "$@"
}

used_is() {
    [ "$(of_vgpu "$1" .used_bytes)" = "$2" ]
}

sessions_are() {
    [ "$(of_vgpu "$1" '.sessions | length')" = "$2" ]
}

worker_of() {
    of_vgpu "$1" ".sessions[${2:-0}].worker_pid"
}

# Results.

# result_of LOG FIELD: of tessera-train --json.
result_of() {
    jq -r "select(.event == \"result\").$2" "$1"
}

# Runs a program natively: on PoCL, without Tessera.
natively() {
    env -u TESSERA_VGPU -u OCL_ICD_VENDORS POCL_CACHE_DIR="$COMPILED" \
        timeout "${LIMIT_S:-60}" "$@"
}

# said_natively PROGRAM...: what it prints natively. For NAME and NAME-discrete it runs only once.
said_natively() {
    local said
    said=$BATS_RUN_TMPDIR/said/$(printf '%s\0' "$@" | md5sum | cut -d ' ' -f 1)
    mkdir -p "$BATS_RUN_TMPDIR/said"
    {
        flock 9 || return
        [ -e "$said" ] || natively "$@" >"$said.new" 9>&- || {
            cat "$said.new" && return 1
        }
        [ -e "$said" ] || mv "$said.new" "$said"
    } 9>"$said.lock"
    cat "$said"
}

# same_as_native PROGRAM...: on the vGPU `a` it ends well and says the same.
same_as_native() {
    said_natively "$@" >"$BATS_TEST_TMPDIR/native"
    on a "$@" >"$BATS_TEST_TMPDIR/guest"
    diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
}

# refused STATUS WORD...: the last `run` ended with that status, and said each of these.
# shellcheck disable=SC2154 # run sets output
refused() {
    local want=$1 word
    shift
    echo "status $status: $output"
    [ "$status" -eq "$want" ] || return 1
    for word in "$@"; do
        [[ "$output" == *"$word"* ]] || {
            echo "not said: $word"
            return 1
        }
    done
}
