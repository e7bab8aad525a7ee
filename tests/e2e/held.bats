#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Commands that cannot run yet, because of a user event or since it is not their turn: what OpenCL
# says of them holds, and they cost nobody else anything.

load lib

setup_file() {
    e2e_begin
    "$TESSERA" create a --type $TYPE
    "$TESSERA" create b --type $TYPE
    "$TESSERA" create c --type $TYPE
}

teardown_file() {
    e2e_end
}

setup() {
    end=$BATS_TEST_TMPDIR/end log=$BATS_TEST_TMPDIR/log
    "$TESSERA" gpu set gpu0 --policy equal-share
}

teardown() {
    touch "$end"
    programs_end
}

# Another vGPU, c, keeps the GPU busy with kernels of 5 ms until the test ends.
others_want_it() {
    start_on c "$BATS_TEST_TMPDIR/others" "$PROGRAMS/guest_bully" long 5 "$end"
    others=$started
    within 30 says "$BATS_TEST_TMPDIR/others" running
}

others_had_it() {
    touch "$end"
    ended_with 0 "$others"
}

nothing_is_left() {
    sessions_are a 0 && used_is a 0 && [ "$(of_vgpu a '.held | add')" = 0 ]
}

# held_programs WHERE WAY: all of them.
held_programs() {
    local name
    for name in args order wait release; do
        on "$1" "$PROGRAMS/guest_held_$name" "$2"
    done
}

@test "the programs ask for the right things: natively they say the same" {
    local name
    for name in args order wait release; do
        said_natively "$PROGRAMS/guest_held_$name" event pocl
    done
}

@test "behind a user event: arguments, order, waits, releases" {
    held_programs a event
    within 2 nothing_is_left
}

@test "waiting for a turn: arguments, order, waits, releases" {
    others_want_it
    held_programs a turn
    within 2 nothing_is_left
    others_had_it
}

@test "both at once" {
    others_want_it
    held_programs a event
    within 2 nothing_is_left
    others_had_it
}

@test "in a context over two vGPUs" {
    local device
    others_want_it
    for device in 0 1; do
        export CLTEST_DEVICE=$device
        held_programs a,b event
    done
    within 2 nothing_is_left
    others_had_it
}

@test "what held commands use stays until they are over, and not longer" {
    start_on a "$log" "$PROGRAMS/guest_held_release" event "$BATS_TEST_TMPDIR/go"
    within 30 says "$log" held
    [ "$(of_vgpu a .used_bytes)" -ge 96000 ]
    touch "$BATS_TEST_TMPDIR/go"
    within 30 says "$log" released
    within 2 used_is a 0
    touch "$BATS_TEST_TMPDIR/go.end"
    ended_with 0 "$started"
}

@test "commands held back count: those over the limit fail, the others run" {
    own_manager --limit commands=100
    on a "$PROGRAMS/guest_held_many" limit 300 100
    within 2 nothing_is_left
    says "$own_log" "reached a limit: commands under way on a vGPU, 100"
}

@test "so do the bytes that they keep" {
    own_manager --limit inflight-bytes=1m
    on a "$PROGRAMS/guest_held_many" bytes 1000
    within 2 nothing_is_left
    says "$own_log" "(tesserad --limit inflight-bytes=N)"
}

@test "20,000 commands behind one event, and all run" {
    start_on a "$log" "$PROGRAMS/guest_held_many" flood 20000 "$BATS_TEST_TMPDIR/go"
    within 30 says "$log" held
    touch "$BATS_TEST_TMPDIR/go"
    ended_with 0 "$started"
    within 2 nothing_is_left
}

@test "who is killed with thousands of commands held back leaves nothing, at once" {
    local worker
    start_on a "$log" "$PROGRAMS/guest_held_many" flood 20000 "$BATS_TEST_TMPDIR/go"
    within 30 says "$log" held
    worker=$(worker_of a)
    [ "$(of_vgpu a .held.commands)" -ge 20000 ]
    kill -9 "$(program_of "$started")"
    within 1 nothing_is_left
    within 1 is_gone "$worker"
}

@test "and so who is killed while they go, and others want to" {
    local worker
    others_want_it
    start_on a "$log" "$PROGRAMS/guest_held_many" flood 20000 "$BATS_TEST_TMPDIR/go"
    within 30 says "$log" held
    worker=$(worker_of a)
    touch "$BATS_TEST_TMPDIR/go"
    sleep 0.05
    kill -9 "$(program_of "$started")"
    within 1 nothing_is_left
    within 1 is_gone "$worker"
    others_had_it
}
