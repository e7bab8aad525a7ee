#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A worker that dies takes its own program with it, at once, and nobody else.

load lib

readonly STEPS=80

train() {
    echo "$TRAIN" --json --steps $STEPS --batch 10 --report 5 --no-eval --seed 3
}

setup_file() {
    e2e_begin
    # What training ends with when nothing happens; it also fills the compiler's cache.
    "$TESSERA" create a --type $TYPE
    on a $(train) >"$BATS_FILE_TMPDIR/undisturbed"
    "$TESSERA" delete a
}

teardown_file() {
    e2e_end
}

setup() {
    "$TESSERA" create a --type $TYPE
    "$TESSERA" create b --type $TYPE
    one=$BATS_TEST_TMPDIR/one two=$BATS_TEST_TMPDIR/two three=$BATS_TEST_TMPDIR/three
}

teardown() {
    e2e_clean
}

trains() {
    says "$1" '"step":5'
}

same_result() {
    [ -n "$(result_of "$1" loss)" ]
    [ "$(result_of "$1" loss)" = "$(result_of "$BATS_FILE_TMPDIR/undisturbed" loss)" ]
}

@test "a killed worker: its program ends with an OpenCL error, others train on" {
    local victim other same begin
    start_on a "$one" $(train) --steps 5000
    victim=$started
    within 20 trains "$one"
    local worker
    worker=$(worker_of a)
    start_on a "$two" $(train)
    same=$started
    start_on b "$three" $(train)
    other=$started
    within 20 trains "$two"
    within 20 trains "$three"
    begin=$(now_ms)
    kill -9 "$worker"
    within 2 is_gone "$victim"
    echo "it took $(($(now_ms) - begin)) ms"
    cat "$one"
    ended_with 1 "$victim"
    says "$one" "OpenCL\|CL_"
    wait "$same"
    wait "$other"
    same_result "$two"
    same_result "$three"
}

@test "a kernel that crashes its worker: the same" {
    local same other
    start_on a "$two" $(train)
    same=$started
    start_on b "$three" $(train)
    other=$started
    within 20 trains "$two"
    within 20 trains "$three"
    on a "$PROGRAMS/guest_crash" >"$one" 2>&1
    cat "$one"
    says "$one" "every call failed at once"
    says "$one" "vGPU '.*': the worker was killed by signal 11"
    wait "$same"
    wait "$other"
    same_result "$two"
    same_result "$three"
    [ "$(of_vgpu a .last_error.program)" = guest_crash ]
    [ "$(of_vgpu b .last_error)" = null ]
}

@test "a program that waits is told at once when its worker is killed" {
    local begin
    start_on a "$one" "$PROGRAMS/guest_crash" wait
    within 20 says "$one" running
    begin=$(now_ms)
    kill -9 "$(worker_of a)"
    within 2 is_gone "$started"
    echo "it took $(($(now_ms) - begin)) ms"
    wait "$started"
    says "$one" "every call failed at once"
}

@test "the vGPU of a crashed worker serves the next program" {
    on a "$PROGRAMS/guest_crash"
    on a "$PROGRAMS/guest_threads" 2 5
    within 1 used_is a 0
    sessions_are a 0
}

@test "a vGPU that is deleted ends its programs, and no others" {
    local victim other
    start_on a "$one" "$PROGRAMS/guest_crash" wait
    victim=$started
    start_on b "$two" $(train)
    other=$started
    within 20 says "$one" running
    within 20 trains "$two"
    "$TESSERA" delete a
    within 2 is_gone "$victim"
    wait "$other"
    same_result "$two"
}
