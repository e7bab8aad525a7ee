#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# One context over two vGPUs: a and b are of two software GPUs, b and c of the same one.

load lib

setup_file() {
    e2e_begin --software-gpus 2
    "$TESSERA" gpu set gpu0 --mode mixed-size
    "$TESSERA" gpu set gpu1 --mode mixed-size
    "$TESSERA" create a --type $TYPE --gpu gpu0
    "$TESSERA" create b --type $TYPE --gpu gpu1
    "$TESSERA" create c --type $TYPE --gpu gpu1
}

teardown_file() {
    e2e_end
}

teardown() {
    programs_end
    "$TESSERA" delete small tiny >/dev/null 2>&1 || true
}

# Which device of the two a program uses that knows of one: one on each kind of GPU, for time.
device_to_use() {
    [ -n "${TESSERA_SOFTWARE_DISCRETE:-}" ] && echo 1 || echo 0
}

nothing_is_left() {
    local name
    for name in a b c; do
        sessions_are $name 0 && used_is $name 0 || return 1
    done
}

@test "buffers, events, programs and kernels move between two GPUs" {
    on a,b "$PROGRAMS/guest_multi"
    within 2 nothing_is_left
}

@test "and between two vGPUs of one GPU" {
    on b,c "$PROGRAMS/guest_multi"
}

@test "the program asks for the right things: it says the same on sub-devices of the bare driver" {
    said_natively "$PROGRAMS/guest_multi" pocl >"$BATS_TEST_TMPDIR/native"
    on c,a "$PROGRAMS/guest_multi" pocl >"$BATS_TEST_TMPDIR/guest"
    diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
}

@test "what programs do with one device they do in a context over two" {
    local device
    for device in 0 1; do
        export CLTEST_DEVICE=$device
        on a,b "$PROGRAMS/guest_transfer"
        on a,b "$PROGRAMS/guest_events"
        on a,b "$PROGRAMS/guest_threads" 4 20
    done
    CLTEST_DEVICE=$(device_to_use)
    on a,b "$PROGRAMS/guest_images"
    on a,b "$PROGRAMS/guest_image_errors"
    on a,b "$PROGRAMS/guest_image_kernels"
}

@test "every entry of the dispatch table is right and wrong there as on one vGPU" {
    CLTEST_DEVICE=$(device_to_use) on a,b "$PROGRAMS/api_use"
}

@test "so it is with programs, kernels, callbacks, sub-devices and what kernels print" {
    CLTEST_DEVICE=$(device_to_use)
    export CLTEST_DEVICE
    on a,b "$PROGRAMS/guest_program"
    on a,b "$PROGRAMS/guest_compile" "$BATS_TEST_TMPDIR" strict
    on a,b "$PROGRAMS/guest_kernel" strict
    on a,b "$PROGRAMS/guest_callbacks"
    on a,b "$PROGRAMS/guest_subdevices" kernels
    on a,b "$PROGRAMS/guest_printf" order
    on a,b "$PROGRAMS/guest_printf" own
    on a,b "$PROGRAMS/guest_printf" large 2
    on a,b "$PROGRAMS/guest_printf" closed
}

# The window of a vGPU of 64 MiB has room for 192 MiB, or 128 MiB where no storage is shared.
@test "more bytes behind an unset event than the shared memory holds keep no call waiting" {
    "$TESSERA" create small --type cpu-64m --gpu gpu0
    "$TESSERA" create tiny --type cpu-64m --gpu gpu1
    said_natively "$PROGRAMS/guest_transfer" behind 240
    on small "$PROGRAMS/guest_transfer" behind 240
    CLTEST_DEVICE=1 on small,tiny "$PROGRAMS/guest_transfer" behind 240
}

@test "the framebuffer's limit is each vGPU's own" {
    on a,b "$PROGRAMS/guest_multi_end" limit $FRAMEBUFFER
    within 2 nothing_is_left
}

@test "a worker that is killed ends no more than its share: calls fail, nothing hangs" {
    local name log=$BATS_TEST_TMPDIR/log
    for name in a b; do
        start_on a,b "$log" "$PROGRAMS/guest_multi_end" loop
        within 30 says "$log" running
        kill -9 "$(worker_of $name)"
        within 10 is_gone "$started"
        ended_with 3 "$started"
        says "$log" "a call failed"
    done
    within 2 nothing_is_left
    on a,b "$PROGRAMS/guest_multi_end" limit $FRAMEBUFFER
}

@test "a child that inherits such a context goes on with one of its own" {
    # TSan itself would end a child that starts threads.
    TSAN_OPTIONS=$TSAN_OPTIONS:die_after_fork=0 on a,b "$PROGRAMS/guest_multi_end" fork
    within 2 nothing_is_left
}
