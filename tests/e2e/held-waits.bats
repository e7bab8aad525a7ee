#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What many commands that are held back cost others: no more than their turns. These are launches
# alone: where storage is makes no difference.

bats_require_minimum_version 1.5.0
load lib

setup_file() {
    e2e_begin
    "$TESSERA" create a --type $TYPE
    "$TESSERA" create b --type $TYPE
}

teardown_file() {
    e2e_end
}

setup() {
    log=$BATS_TEST_TMPDIR/log
}

teardown() {
    programs_end
}

# bully_beside POLICY HOW: 200 kernels of 20 ms behind an event that is set; then one who launches
# and waits. Without a gate the first launch would wait for 4 s.
bully_beside() {
    local shorts
    "$TESSERA" gpu set gpu0 --policy "$1"
    on a "$PROGRAMS/guest_bully" short 1
    start_on b "$log" "$PROGRAMS/guest_bully" "$2" 20 200 "$BATS_TEST_TMPDIR/go"
    within 30 says "$log" queued
    touch "$BATS_TEST_TMPDIR/go"
    within 5 says "$log" set
    shorts=$(on a "$PROGRAMS/guest_bully" short 20)
    echo "$shorts"
    run ! says "$log" over
    [ "$(awk '/median/ { print $2 }' <<<"$shorts")" -le 100 ]
    [ "$(awk '/worst/ { print $2 }' <<<"$shorts")" -le 400 ]
    within 20 says "$log" over
    ended_with 0 "$started"
}

@test "200 long kernels behind an event do not delay others: equal share" {
    bully_beside equal-share burst
}

@test "200 long kernels behind an event do not delay others: best effort" {
    bully_beside best-effort burst
}

@test "nor do those that look like short ones: equal share" {
    bully_beside equal-share trick
}

@test "nor do those that look like short ones: best effort" {
    bully_beside best-effort trick
}
