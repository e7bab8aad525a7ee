#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A driver whose first build of each process fails, and whose log does not say why, as PoCL's
# does where another process took a file of its cache away.

load lib

setup_file() {
    export TESSERA_FAKE_FAULT=build:1
    e2e_begin
    "$TESSERA" create a --type $TYPE
}

teardown_file() {
    e2e_end
}

@test "a build that failed without a reason is done once more" {
    [ "$(on a "$PROGRAMS/guest_build" 1 "kernel void null_kernel() {}")" = built ]
}

@test "a build that fails with a reason fails, and says it" {
    run on a "$PROGRAMS/guest_build" 2 "
#if 1
#error no
#endif"
    refused 1 "failed -11" "error"
}
