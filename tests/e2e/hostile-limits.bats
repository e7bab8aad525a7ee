#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What a guest may have no more of, whatever its GPU's memory is like: sessions, connections that
# say nothing, objects, commands, bytes under way.

bats_require_minimum_version 1.5.0
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

@test "a hello that never comes, or comes a byte a second, is given up after 10 s" {
    local half slow
    start_on a "$BATS_TEST_TMPDIR/half" "$BUILD/tests/hostile/hostile" half-hello
    half=$started
    start_on a "$BATS_TEST_TMPDIR/slow" "$BUILD/tests/hostile/hostile" slow-hello
    slow=$started
    ended_with 0 "$half"
    ended_with 0 "$slow"
    within 2 last_error_says "the guest did not say hello"
    within 2 sessions_are a 0
}

@test "of connections that are silent a process has few, and none has opened the driver" {
    local pid
    start_on a "$BATS_TEST_TMPDIR/silent" "$BUILD/tests/hostile/hostile" silent-connections
    within 5 last_error_says "the process has connections that are silent"
    for pid in $(of_vgpu a '.sessions[].worker_pid'); do
        run ! grep -E "libpocl|libOpenCL" "/proc/$pid/maps"
        [ "$status" -eq 1 ]
    done
    ended_with 0 "$started"
    says "$BATS_TEST_TMPDIR/silent" "6 refused"
    within 5 sessions_are a 0
}

@test "one process cannot take all sessions, and is told why" {
    run attack many-sessions
    refused 0 "16 sessions" "the process has as many sessions as it may" \
        "--limit process-sessions"
    last_error_says "the process has as many sessions as it may"
}

@test "10,000 connections leave nothing" {
    local fds rss
    within 5 sessions_are a 0
    fds=$(find "/proc/$(manager_pid)/fd" | wc -l)
    rss=$(manager_rss_kib)
    attack connect-flood
    within 5 sessions_are a 0
    [ "$(find "/proc/$(manager_pid)/fd" | wc -l)" -le "$fds" ]
    [ "$(manager_rss_kib)" -le $((rss + 4096)) ]
}

manager_rss_kib() {
    awk '/VmRSS/ { print $2 }' "/proc/$(manager_pid)/status"
}

@test "limits are told in words, and by the right error" {
    own_manager --backend fake --limit objects=4 --limit commands=2 --limit program-bytes=1m \
        --limit sessions=1
    run attack few-objects
    refused 0 $'status 0\nstatus 0\nstatus -5\nstatus -5'
    run attack few-commands
    refused 0 $'status 0\nstatus 0\nstatus -5'
    run attack large-source
    refused 0 "status -6"
    run attack many-sessions
    refused 0 "1 sessions: the vGPU has as many sessions as it may (limit 1;"
    says "$own_log" "reached a limit: live objects of a vGPU, 4 (tesserad --limit objects=N)"
    says "$own_log" "reached a limit: commands under way on a vGPU, 2"
    says "$own_log" "reached a limit: program text that a vGPU's sessions keep, 1048576"
}

@test "a finish that meets a limit leaves no queue idle" {
    own_manager --backend fake --limit inflight-bytes=4600
    on a "$PROGRAMS/finish_limit"
}

@test "what links keep is limited as builds' is" {
    own_manager --backend fake --limit inflight-bytes=4200
    run attack large-link
    refused 0 "status -6"
    [ "$(grep -c "status -6" <<<"$output")" -eq 1 ]
    within 2 last_error_says "(tesserad --limit inflight-bytes=N)"
}

@test "a limit that a session met shows when it has left, and all is given back" {
    own_manager --backend fake --limit inflight-bytes=64m --limit commands=4000
    attack inline-flood
    within 2 last_error_says "a limit was reached: bytes kept"
    attack wait-flood
    run attack record-flood
    refused 0 "4000 recorded, then status -5"
    within 2 last_error_says "(tesserad --limit commands=N)"
    within 5 sessions_are a 0
    [ "$(of_vgpu a '.held | add')" = 0 ]
}

@test "objects and commands are counted over all sessions, until one is killed" {
    own_manager --backend fake --limit objects=9
    start_on a "$BATS_TEST_TMPDIR/first" "$BUILD/tests/hostile/hostile" hold-objects
    within 5 says "$BATS_TEST_TMPDIR/first" holds
    [ "$(of_vgpu a .held.objects)" = 6 ]
    run attack few-objects
    refused 0 $'status 0\nstatus -5\nstatus -5\nstatus -5'
    kill -9 "$(worker_of a)"
    within 5 sessions_are a 0
    run attack few-objects
    refused 0 $'status 0\nstatus 0\nstatus 0\nstatus 0'
}

@test "a limit that is none is refused" {
    run "$BUILD/tesserad" --limit objects=0
    refused 2 "--limit: 'objects=0' is not a possible value"
    run "$BUILD/tesserad" --limit sessions=65
    refused 2 "not a possible value"
    run "$BUILD/tesserad" --limit colours=3
    refused 2 "not a possible value"
}

@test "nothing is left behind" {
    within 5 sessions_are a 0
    used_is a 0
}
