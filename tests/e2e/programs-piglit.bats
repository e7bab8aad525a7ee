#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Piglit's OpenCL tests: what passes on the bare device passes on a vGPU. A test that fails on the
# device (they are as old as OpenCL 2.0, and the device has faults of its own) is not asked for.

load lib

setup_file() {
    e2e_begin
}

teardown_file() {
    e2e_end
}

teardown() {
    e2e_clean
}

PIGLIT=${PIGLIT:-/usr/lib/$(uname -m)-linux-gnu/piglit}

# outcomes LOG: a line for each subtest and each whole test.
outcomes() {
    sed -n 's/^PIGLIT: //p' "$1" | sort -u
}

# passes_alike NAME PROGRAM...
passes_alike() {
    local name=$1 native=$BATS_TEST_TMPDIR/$1.native guest=$BATS_TEST_TMPDIR/$1.guest
    shift
    natively "$@" -auto >"$native" 2>&1 || true
    # One that the device fails as a whole proves nothing.
    outcomes "$native" | grep -q '"result": "pass"' || return 0
    timeout 60 "$TESSERA" run tested -- "$@" -auto >"$guest" 2>&1 || true
    tested=$((tested + 1))
    comm -23 <(outcomes "$native" | grep '"pass"') <(outcomes "$guest") |
        sed "s|^|$name: not on a vGPU: |" | tee -a "$BATS_TEST_TMPDIR/lost"
}

@test "piglit's tests of the interface" {
    [ -x "$PIGLIT/bin/cl-api-build-program" ] || skip "piglit is not installed"
    local program tested=0
    timeout 20 "$TESSERA" create tested --type $TYPE
    for program in "$PIGLIT"/bin/cl-*; do
        case $(basename "$program") in
        cl-program-tester) ;; # takes files: below
        cl-program-bitcoin-*) ;; # compiles for half a minute
        *) passes_alike "$(basename "$program")" "$program" ;;
        esac
    done
    echo "$tested tests"
    [ "$tested" -ge 40 ]
    [ ! -s "$BATS_TEST_TMPDIR/lost" ]
}

@test "piglit's kernels" {
    [ -x "$PIGLIT/bin/cl-program-tester" ] || skip "piglit is not installed"
    local file tested=0
    timeout 20 "$TESSERA" create tested --type $TYPE
    for file in "$PIGLIT"/tests/cl/program/build/fail/*.cl \
        "$PIGLIT"/tests/cl/program/execute/{image,sampler}*.cl; do
        passes_alike "$(basename "$file")" "$PIGLIT/bin/cl-program-tester" "$file"
    done
    echo "$tested tests"
    [ "$tested" -ge 4 ]
    [ ! -s "$BATS_TEST_TMPDIR/lost" ]
}
