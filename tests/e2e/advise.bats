#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# tessera advise: what a program used, what is advised of it, and that nothing is left behind. What
# the figures mean is the unit test's (test_advise.c).

load lib
bats_require_minimum_version 1.5.0

setup_file() {
    e2e_begin
}

teardown_file() {
    e2e_end
}

teardown() {
    e2e_clean
}

# advise OPTION... -- PROGRAM...: sets status, output, stderr.
# shellcheck disable=SC2154 # run sets them
advise() {
    run --separate-stderr timeout --foreground 60 "$TESSERA" advise "$@"
    echo "status $status: $output"
    echo "stderr: $stderr"
}

# holds COUNT: a program that has so many buffers of 100 MiB, and ends.
holds() {
    echo "$PROGRAMS/fb_limit" hold "$1" $((100 * MIB)) "$BATS_TEST_TMPDIR/no-such-file"
}

# said FILTER: of the JSON on stdout
said() {
    jq -c "$1" <<<"$output"
}

nothing_is_left() {
    [ "$("$TESSERA" list -o json | jq '.vgpus | length')" = 0 ]
}

policy_is() {
    [ "$("$TESSERA" gpus -o json | jq -c '.gpus[0] | [.policy, .slice_us]')" = "$1" ]
}

@test "the type is the smallest that holds the peak, to the byte, and a tenth" {
    # shellcheck disable=SC2046
    advise -o json -- $(holds 3)
    [ "$status" -eq 0 ]
    [ "$(said '[.gpu, .type, .measured.framebuffer_bytes]')" = '["gpu0","cpu-2g",2147483648]' ]
    [ "$(said .measured.peak_bytes)" = $((300 * MIB)) ]
    [ "$(said '[.advice.type, .advice.needed_bytes]')" = "[\"cpu-341m\",$((330 * MIB))]" ]
    [ "$(said .advice.guests_by.memory)" = 6 ]
    [ "$(said .verified)" = null ]
    nothing_is_left
}

@test "people are told what was measured, why, and the commands" {
    advise --type cpu-512m -- "$PROGRAMS/guest_bully" short 300
    [ "$status" -eq 0 ]
    [[ "$output" == *"guest_bully on cpu-512m of gpu0"* ]]
    [[ "$output" == *"duty cycle"*"kernels"*"99 % up to"*"type "*"cpu-64m: it held"* ]]
    [[ "$output" == *"policy "*"guests a GPU"*"tessera run --type cpu-64m -- $PROGRAMS"* ]]
    nothing_is_left
}

@test "what the program prints does not get into the JSON" {
    advise -o json -- sh -c "echo of the program; $PROGRAMS/guest_bully short 300"
    [ "$status" -eq 0 ]
    said '.measured | .kernels >= 300 and .duty > 0 and .kernel_p50_ns > 0' | grep true
    [[ "$stderr" == *"of the program"* ]]
}

@test "a program that fails has its status, and no advice" {
    advise -- sh -c 'exit 7'
    [ "$status" -eq 7 ]
    [[ "$output" != *policy* ]]
    [[ "$stderr" == *"nothing is advised"*"status 7"* ]]
    # shellcheck disable=SC2046
    advise --type cpu-512m -- sh -c "$(holds 5); exit 9"
    [ "$status" -eq 9 ]
    [[ "$stderr" == *"nearly full"*"--type"* ]]
    nothing_is_left
}

@test "a program that uses no vGPU is told so" {
    advise -- true
    [ "$status" -eq 1 ]
    [[ "$output" == *"no advice: it gave the vGPU nothing to do"* ]]
    advise -o json -- true
    [ "$status" -eq 1 ]
    [ "$(said '[.advice, .measured.commands]')" = '[null,0]' ]
}

# shellcheck disable=SC2154 # start sets started
@test "a signal ends the program, and nothing is left" {
    start "$BATS_TEST_TMPDIR/log" "$TESSERA" advise -- sleep 60
    within 10 program_of "$started"
    kill "$started"
    ended_with 143 "$started"
    says "$BATS_TEST_TMPDIR/log" "nothing is advised: the program was ended by Terminated"
    nothing_is_left
}

@test "--verify runs as many as advised, and the GPU's policy is as before" {
    # shellcheck disable=SC2046
    advise -o json --verify --need latency -- $(holds 7)
    [ "$(said '[.advice.type, .advice.policy, .advice.slice_us]')" = \
        '["cpu-1g","equal-share",1000]' ]
    said '.verified.guests == .advice.guests and .verified.guests <= 2' | grep true
    said '.verified | .policy_as_advised and (.slowdowns | length) == .guests' | grep true
    [ "$status" -eq "$(said 'if .verified.held then 0 else 1 end')" ]
    policy_is '["best-effort",2000]'
    nothing_is_left
}

@test "--verify is ended by a signal, and nothing is left" {
    local once=$BATS_TEST_TMPDIR/once
    # The first time it ends, the next times it stays.
    start "$BATS_TEST_TMPDIR/log" "$TESSERA" advise --verify --need rate -- \
        sh -c "$(holds 7); mkdir $once 2>/dev/null || { touch $once/here; exec sleep 60; }"
    within 30 test -e "$once/here"
    kill "$started"
    ended_with 143 "$started"
    policy_is '["best-effort",2000]'
    nothing_is_left
}

@test "mistakes are told before anything runs" {
    run "$TESSERA" advise
    refused 2 "program is missing"
    run "$TESSERA" advise --need speed -- true
    refused 2 "'speed'" throughput latency rate
    run "$TESSERA" advise --type cpu-3m -- true
    refused 125 cpu-3m
    "$TESSERA" create a --passthrough
    run "$TESSERA" advise -- true
    refused 125 "has a vGPU free"
}
