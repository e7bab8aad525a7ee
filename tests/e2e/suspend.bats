#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# vGPUs that are suspended and resumed in the middle of work: their programs never notice.

load lib
load suspend

setup_file() {
    e2e_begin --software-gpus 2
    small_data "$(data_folder)"
}

teardown_file() {
    e2e_end
}

setup() {
    log=$BATS_TEST_TMPDIR/log
    "$TESSERA" create a --type $TYPE --gpu gpu0
}

teardown() {
    manager_serves || manager_start --software-gpus 2
    e2e_clean
}

start_everything() {
    start_fed "$log" a "$BUILD/$EVERYTHING"
    within 60 says "$log" READY
}

everything_is_there() {
    echo >"$feed"
    ended_with 0 "$started" || {
        grep -v '^ok' "$log"
        return 1
    }
    says "$log" '^ok 1 - every query answers as before'
    within 2 used_is a 0
    sessions_are a 0
}

# The manager's GPUs are of the other kind from now on.
other_kind_of_gpus() {
    local pid
    pid=$(manager_pid)
    kill -9 "$pid"
    within 3 is_gone "$pid"
    export TESSERA_SOFTWARE_DISCRETE=$((1 - ${TESSERA_SOFTWARE_DISCRETE:-0}))
    manager_start --software-gpus 2
    is_suspended a
}

# bats test_tags=long
@test "natively nothing is lost either" {
    # shellcheck disable=SC2016 # expanded in there
    said_natively sh -c 'echo | "$0" pocl' "$BUILD/$EVERYTHING"
}

@test "an object of every kind is as before, on another GPU and of the other kind" {
    start_everything
    away a
    [ "$(stat -c %a "$(own_snapshot a)")" = 600 ]
    other_kind_of_gpus
    back a --gpu gpu1
    no_snapshots
    [ "$(of_vgpu a .gpu)" = gpu1 ]
    everything_is_there
}

# bats test_tags=long
@test "the same there and back, again and again" {
    start_everything
    away a
    back a --gpu gpu1
    away a
    other_kind_of_gpus
    back a --gpu gpu0
    away a
    other_kind_of_gpus
    back a
    away a
    back a
    everything_is_there
}

@test "a training that is suspended at random steps ends as one that is not" {
    local i at step=0
    need_data
    said_natively $(training) >"$BATS_TEST_TMPDIR/undisturbed"
    RANDOM=$((${SUSPEND_SEED:-1}))
    start_on a "$log" $(training)
    for ((i = 0; i < ROUNDS; i++)); do
        at=$((step + 1 + RANDOM % 8))
        within 60 is_at "$log" "$at"
        says "$log" '"result"' && break
        away a
        step=$(step_of "$log")
        echo "round $i: at step $step"
        back a
    done
    [ "$i" -ge $((ROUNDS > 3 ? ROUNDS : 1)) ]
    ended_with 0 "$started" || { cat "$log" && false; }
    diff -u <(figures "$BATS_TEST_TMPDIR/undisturbed") <(figures "$log")
    [ "$(result_of "$log" accuracy)" != null ]
}
