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

# ends ATTACK WORDS...
ends() {
    attack "$1"
    shift
    within 2 last_error_says "$*"
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
    ends ring-tail "the command ring is forged"
    ends ring-unaligned "the command ring is forged"
    ends frame-empty "the command ring is forged"
    ends frame-past-tail "the command ring is forged"
    ends frame-near-2^32 "the command ring is forged"
    ends reply-head "the reply ring's counter is forged"
    ends replies-unread "replies are not read"
    attack changed-frames # any field may be what it hits first
    bystanders_go_on
}

@test "forged fields" {
    bystanders
    ends unknown-call "unknown call"
    ends other-kind "clFlush: command_queue: the id is of another kind of object"
    ends freed-id "clFlush: command_queue: no object has that id"
    ends stale-generation "clFlush: command_queue: no object has that id"
    ends foreign-id "clSetUserEventStatus: event: no object has that id"
    ends pointer-as-id "clFlush: command_queue: no object has that id"
    ends taken-id "the id of a new object is taken"
    ends slot-near-2^32 "or its slot out of range"
    ends count-near-2^32 "clWaitForEvents: event_list: malformed"
    ends count-wraps "clWaitForEvents: event_list: malformed"
    ends length-wraps "clCreateProgramWithSource: source: malformed"
    ends extent-wraps "source: the extent is outside the heap"
    ends extent-past-heap "source: the extent is outside the heap"
    ends buffer-of-2^64 "clCreateBuffer: size: more bytes than the session was given"
    ends credit-forged "clCreateBuffer: size: more bytes than the session was given"
    ends fields-missing "clCreateUserEvent: context: malformed"
    ends fields-too-many "clFlush: end of the message: malformed"
    bystanders_go_on
}

@test "what is built" {
    bystanders
    ends include-relative "clBuildProgram: files: a file's name is no path"
    ends include-many "clBuildProgram: files: too many files"
    ends include-deep "clBuildProgram: files: a file's name is no path"
    ends include-truncated "clBuildProgram: files: malformed"
    attack include-upwards
    attack build-flood
    bystanders_go_on
}

@test "what kernels do" {
    bystanders
    ends nested-pointer "the worker was killed by signal 11"
    attack print-flood
    bystanders_go_on
}

@test "extents, waiters and command buffers" {
    bystanders
    attack changed-extents
    [ -n "${TESSERA_SOFTWARE_DISCRETE:-}" ] || attack same-storage
    attack waiters-forged
    ends foreign-sync-point "sync_point_wait_list: no command of the command buffer"
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
