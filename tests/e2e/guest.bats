#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What programs do: each of these says the same on a vGPU and natively.

load lib

setup_file() {
    e2e_begin
    "$TESSERA" create a --type $TYPE
}

teardown_file() {
    e2e_end
}

teardown() {
    programs_end
}

@test "reads, writes, rectangles, mappings, sub-buffers, 100 MiB at once" {
    same_as_native "$PROGRAMS/guest_transfer"
}

@test "user events, callbacks, queues out of order" {
    said_natively "$PROGRAMS/guest_events" pocl >"$BATS_TEST_TMPDIR/native"
    on a "$PROGRAMS/guest_events" >"$BATS_TEST_TMPDIR/guest"
    diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
}

# pocl: what PoCL itself gets wrong is not asked of it.
but_for_pocl() {
    said_natively "$1" pocl >"$BATS_TEST_TMPDIR/native"
    on a "$1" >"$BATS_TEST_TMPDIR/guest"
    diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
}

@test "images of every type: read, write, fill, copy, map, host pointers, 64 MiB at once" {
    but_for_pocl "$PROGRAMS/guest_images"
}

@test "images and samplers as arguments of kernels; images in buffers" {
    same_as_native "$PROGRAMS/guest_image_kernels"
}

@test "what calls about images and samplers refuse" {
    but_for_pocl "$PROGRAMS/guest_image_errors"
}

@test "programs: 300 KiB of source, errors, options, binaries, metadata" {
    same_as_native "$PROGRAMS/guest_program"
}

@test "8 threads, each with its own queue" {
    same_as_native "$PROGRAMS/guest_threads" 8 40
}

@test "a blocking read holds up no thread that it waits for" {
    same_as_native "$PROGRAMS/guest_blocked"
}

@test "fork before the first use of OpenCL" {
    same_as_native "$PROGRAMS/guest_fork" before
}

# Natively a child of a process that used PoCL hangs: its threads are not there.
@test "fork after the first use: parent and child go on, each with its own session" {
    local log=$BATS_TEST_TMPDIR/log go=$BATS_TEST_TMPDIR/go
    start_on a "$log" "$PROGRAMS/guest_fork" after "$go"
    within 20 ready_twice "$log"
    sessions_are a 2
    [ "$(of_vgpu a '[.sessions[].guest_pid] | unique | length')" -eq 2 ]
    touch "$go"
    within 30 is_gone "$started"
    wait "$started"
    says "$log" "parent and child agree with C"
}

ready_twice() {
    [ "$(grep -c ready "$1")" -eq 2 ]
}

@test "many programs at once on one vGPU" {
    local n pids=()
    for n in 1 2 3 4 5; do
        start_on a "$BATS_TEST_TMPDIR/$n" "$PROGRAMS/guest_threads" 2 20
        pids+=("$started")
    done
    for n in "${pids[@]}"; do wait "$n"; done
}

@test "a program that cannot use its vGPU finds the reason on its stderr" {
    local none=$BATS_TEST_TMPDIR/none
    run on a env TESSERA_VGPU="$none" "$PROGRAMS/guest_threads" 1 1
    echo "$output"
    [ "$status" -eq 1 ]
    [ "$(grep -c "^tessera: vGPU at $none/socket: .*: No such file or directory$" \
        <<<"$output")" -eq 1 ]
}

@test "nothing of all that is left" {
    within 1 sessions_are a 0
    used_is a 0
    [ "$(of_vgpu a .last_error)" = null ]
}
