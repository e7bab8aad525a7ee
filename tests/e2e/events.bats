#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Queues, events and callbacks, sub-devices, what kernels print: the same on a vGPU and natively.

bats_require_minimum_version 1.5.0
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

# prints_as_native ARG...: guest_printf, byte by byte.
prints_as_native() {
    said_natively "$PROGRAMS/guest_printf" "$@" >"$BATS_TEST_TMPDIR/native"
    on a "$PROGRAMS/guest_printf" "$@" >"$BATS_TEST_TMPDIR/guest"
    cmp "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
}

@test "printf of kernels: on the program's stdout, in order with its own" {
    prints_as_native order
    grep -qa '^kernel 3:  1.00|3   |1,2,3,4|words$' "$BATS_TEST_TMPDIR/guest"
}

@test "printf of kernels: 20 MiB" {
    prints_as_native large 20
    [ "$(stat -c %s "$BATS_TEST_TMPDIR/guest")" -gt $((20 * MIB)) ]
}

@test "printf of kernels: a program that reads its own stdout" {
    prints_as_native own
}

@test "printf of kernels: a slow reader holds the kernel up, and nothing is kept in memory" {
    local log=$BATS_TEST_TMPDIR/log pid
    mkfifo "$BATS_TEST_TMPDIR/fifo"
    start_on a "$log" sh -c "exec '$PROGRAMS/guest_printf' large 40 >'$BATS_TEST_TMPDIR/fifo'"
    exec 4<"$BATS_TEST_TMPDIR/fifo"
    head -c 1000000 <&4 >/dev/null
    pid=$(worker_of a)
    sleep 1
    local before after
    before=$(awk '/VmRSS/ {print $2}' "/proc/$pid/status")
    sleep 2
    after=$(awk '/VmRSS/ {print $2}' "/proc/$pid/status")
    echo "$before kB, then $after kB"
    [ $((after - before)) -lt 8192 ]
    [ "$(cat <&4 | tail -n 1)" = "host: end" ]
    ended_with 0 "$started"
}

@test "printf of kernels: without a reader, without a stdout" {
    on a "$PROGRAMS/guest_printf" broken
    on a "$PROGRAMS/guest_printf" closed
}

@test "printf of kernels: nothing of it in the manager's log" {
    run ! grep -a "much text" "$MANAGER_LOG"
}

# PoCL 3.1 sometimes dies natively of kernels on sub-devices.
@test "sub-devices: equally, by counts, errors, contexts over them, kernels" {
    said_natively "$PROGRAMS/guest_subdevices" kernels pocl >"$BATS_TEST_TMPDIR/native" ||
        said_natively "$PROGRAMS/guest_subdevices" kernels pocl >"$BATS_TEST_TMPDIR/native"
    on a "$PROGRAMS/guest_subdevices" kernels >"$BATS_TEST_TMPDIR/guest"
    diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
}

@test "callbacks, stamps, what queues and contexts refuse" {
    said_natively "$PROGRAMS/guest_callbacks" pocl >"$BATS_TEST_TMPDIR/native"
    on a "$PROGRAMS/guest_callbacks" >"$BATS_TEST_TMPDIR/guest"
    diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
}

@test "destructors are called once where the worker dies" {
    local log=$BATS_TEST_TMPDIR/log go=$BATS_TEST_TMPDIR/go
    start_on a "$log" "$PROGRAMS/guest_callbacks" dies "$go"
    within 20 says "$log" ready
    kill -9 "$(worker_of a)"
    touch "$go"
    within 20 is_gone "$started"
    cat "$log"
    says "$log" "destructors after the device"
}
