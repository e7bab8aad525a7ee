#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Extensions: what a vGPU tells of them is true, and what it tells is what the device tells.

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

# PoCL 3.1 leaves some of these out, so natively the program asks for less.
@test "command buffers: recorders, sync points, replays, queries, errors" {
    [ "${TESSERA_BACKEND:-}" != fake ] || skip "the fake driver runs no kernel of a program"
    said_natively "$PROGRAMS/guest_command_buffer" pocl >"$BATS_TEST_TMPDIR/native"
    on a "$PROGRAMS/guest_command_buffer" pocl >"$BATS_TEST_TMPDIR/guest"
    diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
    on a "$PROGRAMS/guest_command_buffer"
}

@test "command buffers with images of every type" {
    [ "${TESSERA_BACKEND:-}" != fake ] || skip "the fake driver has no images"
    said_natively "$PROGRAMS/guest_command_images" pocl >"$BATS_TEST_TMPDIR/native"
    on a "$PROGRAMS/guest_command_images" pocl >"$BATS_TEST_TMPDIR/guest"
    diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
    on a "$PROGRAMS/guest_command_images"
}

@test "each extension has its functions, and its queries answer as the device does" {
    on a "$PROGRAMS/guest_extensions" >"$BATS_TEST_TMPDIR/guest"
    cat "$BATS_TEST_TMPDIR/guest"
    if [ "${TESSERA_BACKEND:-}" = fake ]; then
        grep -q "suggested local size" "$BATS_TEST_TMPDIR/guest"
        grep -q "a queue by the extension's name" "$BATS_TEST_TMPDIR/guest"
    else
        said_natively "$PROGRAMS/guest_extensions" pocl >"$BATS_TEST_TMPDIR/native"
        diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
    fi
}

@test "nothing of all that is left" {
    within 5 sessions_are a 0
    used_is a 0
    [ "$(of_vgpu a .last_error)" = null ]
}
