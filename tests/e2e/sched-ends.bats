#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The log of turns while programs work, and a program's death in its turn.

load lib

setup_file() {
    e2e_begin
}

teardown_file() {
    e2e_end
}

setup() {
    "$TESSERA" create a --type $TYPE
    "$TESSERA" create b --type $TYPE
    one=$BATS_TEST_TMPDIR/one two=$BATS_TEST_TMPDIR/two
}

teardown() {
    set_gpu '{"policy": "best-effort"}'
    e2e_clean
}

get() {
    curl -sf --unix-socket "$TESSERA_RUNTIME_DIR/control.sock" "http://localhost$1"
}

set_gpu() {
    curl -sf --unix-socket "$TESSERA_RUNTIME_DIR/control.sock" -X PATCH -d "$1" \
        http://localhost/v1/gpus/gpu0 >/dev/null
}

# work NAME LOG SECONDS OPTION...: kernels of about a millisecond, several queued.
work() {
    local name=$1 log=$2 seconds=$3 now
    shift 3
    now=$(python3 -c 'import time; print(time.monotonic_ns())')
    echo "go $now $now $((now + seconds * 1000000000))" >"$log.in"
    # What runs in the background reads from nowhere unless it says so itself.
    # shellcheck disable=SC2016
    start_on "$name" "$log" sh -c 'in=$1; shift; exec "$@" <"$in"' sh "$log.in" \
        "$BUILD/bench/bench-load" --iterations 90000 --depth 4 "$@"
}

# counter NAME FIELD
counter() {
    get /v1/stats | jq ".gpus[0].vgpus[] | select(.name == \"$1\") | .$2"
}

works() {
    [ "$(get /v1/stats | jq -r ".gpus[0].vgpus[] | select(.name == \"$1\") | .state")" = working ]
}

# Both get turns, from now on.
both_get_turns() {
    local a b
    a=$(counter a turns) b=$(counter b turns)
    within 20 test_more_turns a $((a + 5)) && within 20 test_more_turns b $((b + 5))
}

test_more_turns() {
    [ "$(counter "$1" turns)" -gt "$2" ]
}

@test "what works is told from what only runs, and the log tells whose turn it was" {
    set_gpu '{"policy": "equal-share"}'
    work a "$one" 8
    work b "$two" 8
    within 30 works a
    within 30 works b
    both_get_turns
    [ "$(counter a share_asked)" = 0.5 ]
    get /v1/gpus/gpu0/log |
        jq -e '[.entries[].vgpu] | (index("a") != null) and (index("b") != null)'
    get /v1/gpus/gpu0/log | jq -e '.entries | all(.run_ns >= 0 and .total_run_ns >= .run_ns)'
    get /v1/stats | jq -e '.gpus[0] | .turns > 10 and .used_ns > 0'
}

@test "a dead program's turn is the others'" {
    work a "$one" 60
    local first=$started
    work b "$two" 60
    within 30 works a
    within 30 works b
    kill -9 "$(worker_of a)"
    within 5 sessions_are a 0
    local b
    b=$(counter b kernels)
    within 10 has_done b $((b + 100))
    within 5 is_gone "$first"
}

has_done() { # VGPU KERNELS
    [ "$(counter "$1" kernels)" -gt "$2" ]
}
