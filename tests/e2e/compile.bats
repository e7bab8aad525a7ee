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
    said_natively "$PROGRAMS/guest_kernel" >"$BATS_TEST_TMPDIR/native"
    on a "$PROGRAMS/guest_kernel" strict >"$BATS_TEST_TMPDIR/guest"
    diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
}

# For what looks at who has the cache, and what is in it.
cache_alone() {
    COMPILED=$BATS_TEST_TMPDIR/compiled
    own_manager
}

# All of the file is taken, so each program of it: no build begins before its holder ends.
take_turns() {
    start "$BATS_TEST_TMPDIR/turns" python3 -c '
import fcntl, sys, time
with open(sys.argv[1], "a") as f:
    fcntl.lockf(f, fcntl.LOCK_EX)
    print("taken", flush=True)
    time.sleep(60)' "$TESSERA_RUNTIME_DIR/cache/.gpu0/tessera-builds"
    turns=$started
    within 10 says "$BATS_TEST_TMPDIR/turns" taken
}

@test "a program is built by one worker at a time, whatever process has the cache" {
    local log=$BATS_TEST_TMPDIR/build turns
    cache_alone
    take_turns
    start_on a "$log" "$PROGRAMS/guest_build" 1 "kernel void k() {}"
    within 20 sessions_are a 1
    sleep 1
    [ ! -s "$log" ]
    kill "$turns"
    ended_with 0 "$started"
    says "$log" built
}

@test "guests that build new programs at once all have them" {
    local pids=() i
    local source="kernel void k(global ulong *p) { *p = $(date +%s%N)ul + NUMBER; }"
    for i in 1 2 3 4 5 6; do
        start_on a "$BATS_TEST_TMPDIR/build$i" "$PROGRAMS/guest_build" 4 "$source"
        pids+=("$started")
    done
    for i in "${pids[@]}"; do
        ended_with 0 "$i"
    done
}

programs_in_cache() {
    find "$COMPILED" -name program.bc | wc -l
}

@test "a program with include files is compiled once, also for the next session" {
    local source
    cache_alone
    source="#include <number.h>
kernel void k(global ulong *p) { *p = $(date +%s%N)ul + INCLUDED; }"
    mkdir "$BATS_TEST_TMPDIR/inc"
    echo "#define INCLUDED 7" >"$BATS_TEST_TMPDIR/inc/number.h"
    for _ in 1 2; do
        on a "$PROGRAMS/guest_build" 1 "$source" "-I $BATS_TEST_TMPDIR/inc"
        [ "$(programs_in_cache)" -eq 1 ]
    done
}

@test "nothing of all that is left, in no temporary folder either" {
    within 1 sessions_are a 0
    used_is a 0
    [ "$(of_vgpu a .last_error)" = null ]
    [ -z "$(find "$TMPDIR" -name 'tessera-build-*')" ]
}
