#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Programs that are killed in the middle of a call.

load lib

# make check takes few, as it has no time.
readonly ROUNDS=${KILL_ROUNDS:-8}

setup_file() {
    e2e_begin
    "$TESSERA" create a --type $TYPE
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

# random_ms FROM TO: sleeps so long; the seed makes a run repeatable.
random_ms() {
    local ms=$(($1 + RANDOM % ($2 - $1 + 1)))
    sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
}

nothing_is_left() {
    sessions_are a 0 && used_is a 0
}

# The worker may be inside a kernel or a build of PoCL, which must end first.
no_worker() {
    within 2 is_gone "$1" && within 1 nothing_is_left
}

@test "killed in the middle of calls: worker and memory are gone each time" {
    local i worker
    RANDOM=1
    for ((i = 0; i < ROUNDS; i++)); do
        start_on a "$log" "$PROGRAMS/guest_loop" $i
        within 20 says "$log" running
        worker=$(worker_of a)
        random_ms 0 150
        is_gone "$started" && cat "$log" && false
        kill -9 "$(program_of "$started")"
        no_worker "$worker" || { echo "round $i" && of_vgpu a . && false; }
    done
}

@test "killed while it starts: no worker stays behind" {
    local i
    RANDOM=2
    for ((i = 0; i < ROUNDS; i++)); do
        start_on a "$log" "$PROGRAMS/guest_loop" $i
        within 5 program_of "$started" >/dev/null
        random_ms 0 300
        kill -9 "$(program_of "$started")"
        within 3 nothing_is_left || { echo "round $i" && of_vgpu a . && false; }
    done
}

@test "the next program finds everything in order" {
    on a "$PROGRAMS/fb_limit" exact $FRAMEBUFFER $MIB
}
