#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What tests/hostile does to a vGPU ends its own session with the reason. A program on the same
# vGPU and one on another go on meanwhile, with right results, and nothing is left behind.

bats_require_minimum_version 1.5.0
load lib

setup_file() {
    e2e_begin --limit commands=1000000 --limit program-bytes=200m
    "$TESSERA" create a --type $TYPE
    "$TESSERA" create b --type $TYPE
}

teardown_file() {
    e2e_end
}

teardown() {
    programs_end
}

# ends ATTACK: for the reason that the table in tests/hostile has.
ends() {
    local words
    attack "$1"
    words=$("$BUILD/tests/hostile/hostile" --list |
        awk -F '\t' -v name="$1" '$1 == name { print $3 }')
    [ -n "$words" ]
    within 2 last_error_says "$words"
}

# Programs that compute and check until the attacks are over.
bystanders() {
    start_on a "$BATS_TEST_TMPDIR/same" "$BUILD/tests/hostile/bystander"
    same=$started
    start_on b "$BATS_TEST_TMPDIR/other" "$BUILD/tests/hostile/bystander"
    other=$started
    within 20 says "$BATS_TEST_TMPDIR/same" running
    within 20 says "$BATS_TEST_TMPDIR/other" running
}

bystanders_go_on() {
    cat "$BATS_TEST_TMPDIR/same" "$BATS_TEST_TMPDIR/other"
    run ! is_gone "$same"
    run ! is_gone "$other"
    within 5 sessions_are a 1
    within 5 sessions_are b 1
}

@test "a forged ring" {
    bystanders
    ends ring-tail
    ends ring-unaligned
    ends frame-empty
    ends frame-past-tail
    ends frame-near-2^32
    ends reply-head
    ends replies-unread
    attack changed-frames # any field may be what it hits first
    bystanders_go_on
}

@test "forged fields" {
    bystanders
    ends unknown-call
    ends other-kind
    ends freed-id
    ends stale-generation
    ends foreign-id
    ends pointer-as-id
    ends taken-id
    ends slot-near-2^32
    ends count-near-2^32
    ends count-wraps
    ends length-wraps
    ends extent-wraps
    ends extent-past-heap
    ends buffer-of-2^64
    ends credit-forged
    ends fields-missing
    ends fields-too-many
    bystanders_go_on
}

@test "what is built" {
    bystanders
    ends include-relative
    ends include-many
    ends include-deep
    ends include-truncated
    attack include-upwards
    attack build-flood
    bystanders_go_on
}

@test "what kernels do" {
    bystanders
    ends nested-pointer
    attack print-flood
    bystanders_go_on
}

@test "extents, waiters and command buffers" {
    bystanders
    attack changed-extents
    [ -n "${TESSERA_SOFTWARE_DISCRETE:-}" ] || attack same-storage
    attack waiters-forged
    ends foreign-sync-point
    attack record-released
    bystanders_go_on
}

@test "what is harmless, or legal up to a limit" {
    bystanders
    attack truncate-memory
    attack copied-forged
    attack many-events
    attack large-source
    bystanders_go_on
}

@test "nothing is left behind" {
    within 5 sessions_are a 0
    used_is a 0
    within 5 no_workers
    on a "$PROGRAMS/guest_kernel"
}

no_workers() {
    [ -z "$(pgrep -P "$(manager_pid)")" ]
}
