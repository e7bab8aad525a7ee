#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The same random sequences of OpenCL calls natively and on a vGPU: a short run of the
# differential test (`make differential` is the long one), and what it has found.

load lib

setup_file() {
    e2e_begin
    export POCL_CACHE_DIR=$COMPILED
    "$TESSERA" create a --type $TYPE
    "$TESSERA" create b --type $TYPE
}

teardown_file() {
    e2e_end
}

teardown() {
    programs_end
}

readonly COMPARE=$BATS_TEST_DIRNAME/../differential/compare.py

# same VGPUS SEED COUNT [OPTION...]
same() {
    local on=a vgpus=$1 seed=$2 count=$3
    shift 3
    [ "$vgpus" = 1 ] || on=a,b
    timeout --foreground 150 /usr/bin/python3 "$COMPARE" --seed "$seed" --count "$count" \
        --devices "$vgpus" --program "$BUILD/tests/differential/sequences" \
        --guest "$TESSERA run $on --" "$@"
}

@test "all groups of steps, on one vGPU" {
    same 1 1 60 --chunk 60
}

@test "all groups of steps, on two vGPUs in one context" {
    same 2 1 60 --chunk 60
}

@test "found: the flags of a buffer are told as they were given" {
    same 1 100 20 --only memory,queries
}

@test "found: a blocking map that invalidates waits for what it has to wait for" {
    same 1 2000 40 --only memory,events
}

@test "found: a barrier whose events are complete does not wait for all" {
    for _ in 1 2 3; do
        same 1 20142 1
    done
}
