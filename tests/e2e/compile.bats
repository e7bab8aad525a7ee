#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Programs and kernels: compiling, linking, include files, binaries, arguments, launches.

load lib

setup_file() {
    # Where workers put include files; ours alone, so that what stays there is seen.
    export TMPDIR=$BATS_FILE_TMPDIR/tmp
    mkdir "$TMPDIR"
    e2e_begin
    "$TESSERA" create a --type $TYPE
}

teardown_file() {
    e2e_end
}

teardown() {
    programs_end
}

@test "compile, link, include files, binaries, callbacks" {
    mkdir "$BATS_TEST_TMPDIR/n" "$BATS_TEST_TMPDIR/g"
    natively "$PROGRAMS/guest_compile" "$BATS_TEST_TMPDIR/n" >"$BATS_TEST_TMPDIR/native"
    on a "$PROGRAMS/guest_compile" "$BATS_TEST_TMPDIR/g" strict >"$BATS_TEST_TMPDIR/guest"
    diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
}

@test "kernels: arguments, queries, clones, launches" {
    natively "$PROGRAMS/guest_kernel" >"$BATS_TEST_TMPDIR/native"
    on a "$PROGRAMS/guest_kernel" strict >"$BATS_TEST_TMPDIR/guest"
    diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
}

@test "nothing of all that is left, in no temporary folder either" {
    within 1 sessions_are a 0
    used_is a 0
    [ "$(of_vgpu a .last_error)" = null ]
    [ -z "$(find "$TMPDIR" -name 'tessera-build-*')" ]
}
