#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What may happen to a vGPU while it is suspended, and what its user is told.

load lib
load suspend

setup_file() {
    e2e_begin --software-gpus 2
}

teardown_file() {
    e2e_end
}

setup() {
    log=$BATS_TEST_TMPDIR/log
    file=$BATS_TEST_TMPDIR/a.tessera
    "$TESSERA" create a --type $TYPE --gpu gpu0
}

teardown() {
    manager_serves || manager_start --software-gpus 2
    e2e_clean
}

@test "to a file of the user's, and from it, more than once" {
    local i
    start_churn "$log" a
    for i in 1 2; do
        away a --to "$file"
        no_snapshots
        [ "$(stat -c %a "$file")" = 600 ]
        "$TESSERA" snapshot "$file" -o json | jq -e '.sessions | length == 1'
        back a --from "$file"
        [ -e "$file" ]
        churns_on "$log"
    done
    ends_well "$log" "$started"
}

@test "a clone of a running vGPU leaves it running, and one of a suspended one suspended" {
    start_churn "$log" a --threads 1
    timeout 60 "$TESSERA" clone a b
    [ "$(of_vgpu b '.sessions | length')" = 1 ]
    churns_on "$log"
    away a
    timeout 60 "$TESSERA" clone a c
    is_suspended a
    [ "$(of_vgpu c .used_bytes)" = "$(of_vgpu b .used_bytes)" ]
    "$TESSERA" delete b
    "$TESSERA" delete c
    back a
    churns_on "$log"
    ends_well "$log" "$started"
}

@test "a program follows its vGPU to another manager" {
    local other=$BATS_TEST_TMPDIR/other program receiver
    start_churn "$log" a --threads 1
    program=$started
    start "$BATS_TEST_TMPDIR/receive" env -u TESSERA_NO_START TESSERA_RUNTIME_DIR="$other/run" \
        TESSERA_STATE_DIR="$other/state" "$TESSERA" receive --listen "$other.sock"
    receiver=$started
    within 10 test -S "$other.sock"
    timeout 60 "$TESSERA" send a "$other.sock"
    ended_with 0 "$receiver"
    is_suspended a
    churns_on "$log"
    run_there() { TESSERA_RUNTIME_DIR=$other/run TESSERA_STATE_DIR=$other/state "$TESSERA" "$@"; }
    [ "$(run_there show a -o json | jq -r '.sessions[0].waiting')" = false ]
    "$TESSERA" delete a
    churns_on "$log"
    ends_well "$log" "$program"
    run_there delete a
    kill "$(cat "$other/run/tesserad.pid")"
}

@test "a snapshot of an earlier version is read" {
    local old=$BATS_TEST_DIRNAME/../state/v1/snapshot.tessera
    "$TESSERA" snapshot "$old" -o json | jq -e '.name == "old" and (.sessions | length == 1)'
    timeout 60 "$TESSERA" resume old --from "$old"
    [ "$(of_vgpu old .type)" = cpu-256m ]
    "$TESSERA" delete old
}

@test "two programs of one vGPU, and one of another that goes on meanwhile" {
    local first second other
    "$TESSERA" create b --type $TYPE --gpu gpu0
    start_churn "$log.1" a --seed 1
    first=$started
    start_churn "$log.2" a --seed 2
    second=$started
    start_churn "$log.3" b --seed 3
    other=$started
    away a
    churns_on "$log.3"
    back a
    sessions_are a 2
    churns_on "$log.1"
    churns_on "$log.2"
    ends_well "$log.1" "$first"
    ends_well "$log.2" "$second"
    ends_well "$log.3" "$other"
}

@test "a suspended vGPU takes no room on its GPU" {
    start_churn "$log" a
    away a
    [ "$("$TESSERA" gpus -o json | jq -r '.gpus[0].vgpus // [] | length')" = 0 ] ||
        [ "$("$TESSERA" gpus -o json | jq -r '[.gpus[].used_bytes // 0] | add')" = 0 ]
    back a
    ends_well "$log" "$started"
}

@test "a program that is started meanwhile is refused in words" {
    start_churn "$log" a --threads 1
    away a
    run on a "$BUILD/$CHURN" --rounds 1
    refused 125 suspended "tessera resume a"
    TESSERA_VGPU=$TESSERA_RUNTIME_DIR/vgpus/a \
        OCL_ICD_VENDORS=$TESSERA_RUNTIME_DIR/icd run timeout 20 "$BUILD/$CHURN" --rounds 1
    refused 1 suspended "tessera resume"
    back a
    ends_well "$log" "$started"
}

@test "a program that is killed while its vGPU is suspended leaves nothing after it" {
    local guest
    start_churn "$log" a --threads 1
    guest=$(guest_of "$started")
    away a
    kill -9 "$guest"
    within 3 is_gone "$guest"
    back a
    within 3 used_is a 0
    within 3 sessions_are a 0
    on a "$BUILD/$CHURN" --rounds 5
}

@test "a vGPU that is deleted while it is suspended ends its programs" {
    start_churn "$log" a --threads 1
    away a
    "$TESSERA" delete a
    no_snapshots
    within 5 is_gone "$started"
    ended_with 1 "$started"
    ! says "$log" checksum
    "$TESSERA" create a --type $TYPE --gpu gpu0
    sessions_are a 0
}

@test "the manager is killed while a vGPU is suspended: the next one resumes it" {
    local pid
    start_churn "$log" a --threads 1
    away a
    pid=$(manager_pid)
    kill -9 "$pid"
    within 3 is_gone "$pid"
    manager_start --software-gpus 2
    is_suspended a
    back a
    churns_on "$log"
    ends_well "$log" "$started"
}

@test "what cannot be done is refused, with words, and changes nothing" {
    run "$TESSERA" resume a
    refused 1 "'a'" suspended
    run "$TESSERA" suspend nobody
    refused 1 nobody
    start_churn "$log" a --threads 1
    run "$TESSERA" suspend a --to /nonexistent/a.tessera
    refused 1 /nonexistent "No such file"
    run "$TESSERA" suspend a --to /dev/full
    refused 1 "No space left"
    runs a
    churns_on "$log"
    away a
    run "$TESSERA" suspend a
    refused 1 suspended
    run "$TESSERA" resume a --gpu gpu9
    refused 1 gpu9
    is_suspended a
    back a
    ends_well "$log" "$started"
}

@test "passthrough is refused" {
    "$TESSERA" delete a
    "$TESSERA" create p --passthrough
    run "$TESSERA" suspend p
    refused 1 "'p'" passthrough
    run "$TESSERA" clone p q
    refused 1 passthrough
}
