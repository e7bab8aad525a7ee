#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The same random sequences of OpenCL calls natively and on a vGPU: a short run of the
# differential test (`make differential` is the long one), and what it has found.

load lib

setup_file() {
    e2e_begin
    export POCL_CACHE_DIR=$BATS_RUN_TMPDIR/pocl
    "$TESSERA" create a --type $TYPE
}

teardown_file() {
    e2e_end
}

teardown() {
    programs_end
}

readonly COMPARE=$BATS_TEST_DIRNAME/../differential/compare.py

# same SEED COUNT GROUPS [OPTION...]
same() {
    local seed=$1 count=$2 only=$3
    shift 3
    timeout --foreground 150 /usr/bin/python3 "$COMPARE" --seed "$seed" --count "$count" \
        --only "$only" --program "$BUILD/tests/differential/sequences" \
        --guest "$TESSERA run a --" "$@"
}

@test "buffers, sub-buffers, mappings, events, queues" {
    same 1000 40 memory,events,queries,wrong --chunk 40
}

@test "programs and kernels among them" {
    same 2000 15 memory,events,programs,queries --chunk 15
}

@test "found: the flags of a buffer are told as they were given" {
    same 100 20 memory,queries
}

@test "found: a blocking map that invalidates waits for what it has to wait for" {
    same 2008 1 memory,events,programs,queries
}
