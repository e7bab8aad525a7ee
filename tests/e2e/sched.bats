#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Who gets the GPU's time, as programs notice it. Behaviour, not milliseconds: limits are wide
# enough for a machine that does other things; `make bench-sched` measures.

load lib

# Kernels of about a millisecond, several queued; one launch after the other; 20 ms ones.
readonly DEEP="--iterations 50000 --depth 6" SYNC="--iterations 50000"
readonly BULLY="--iterations 1000000 --depth 60 --behind-event"

setup_file() {
    e2e_begin
    export WORK=$BATS_TEST_DIRNAME/work.py
}

teardown_file() {
    e2e_end
}

setup() {
    out=$BATS_TEST_TMPDIR/out
    "$TESSERA" gpu set gpu0 --policy best-effort --slice 2ms --watchdog off
    "$TESSERA" create a --type $TYPE
    "$TESSERA" create b --type $TYPE
}

teardown() {
    programs_end
    "$TESSERA" delete a b
}

# work MS VGPU=OPTIONS...: waits until it is done.
work() {
    timeout 60 "$WORK" "$@" >"$out"
    cat "$out"
}

# start_work LOG MS VGPU=OPTIONS...: returns when all work.
start_work() {
    local log=$1
    shift
    start "$log" timeout 60 "$WORK" "$@"
    within 30 says "$log" working
}

# While they work for a while, which part of the GPU's time does each get? In percent, on $shares;
# parts of the time do not depend on how fast the machine is just now. But they do on what else has
# its cores, in a second and a half: so a test of shares may be tried twice more.
shares() {
    BATS_TEST_RETRIES=2
    start_work "$out" 2500 "$@"
    sleep 0.5
    shares=$("$TESSERA" top --once -d 1500ms -o json |
        jq -c '[.gpus[].vgpus[] | {(.name): (.share_got * 100 | round)}] | add')
    ended_with 0 "$started"
    echo "$shares"
    cat "$out"
}

# gets VGPU LOW HIGH: as `shares` found.
gets() {
    jq -e --arg v "$1" --argjson low "$2" --argjson high "$3" \
        '.[$v] >= $low and .[$v] <= $high' <<<"$shares"
}

state_is() {
    [ "$("$TESSERA" stats "$1" -o json | jq -r '.gpus[].vgpus[].state')" = "$2" ]
}

# nothing_lost FILE: all that was launched was done, by each program.
nothing_lost() {
    awk '$2 == "error" || ($1 != "working" && $3 != $4) { bad = 1 } END { exit bad }' "$1"
}

@test "a vGPU is stopped, then running with a program, then working with commands" {
    state_is a stopped
    start_work "$out" 2000 a="$DEEP" b=idle
    within 5 state_is a working
    state_is b running
    ended_with 0 "$started"
    within 5 state_is a stopped
}

@test "equal share: one that works beside one that only has a program gets half, then all" {
    "$TESSERA" gpu set gpu0 --policy equal-share
    shares a="$DEEP" b=idle
    gets a 40 60
    shares a="$DEEP"
    gets a 85 101
}

@test "equal share: two that work get half each" {
    "$TESSERA" gpu set gpu0 --policy equal-share
    shares a="$DEEP" b="$DEEP"
    gets a 40 60
    gets b 40 60
}

@test "fixed share: a quarter, whoever else is there" {
    "$TESSERA" gpu set gpu0 --policy fixed-share
    shares a="$DEEP"
    gets a 18 32
    shares a="$DEEP" b="$DEEP"
    gets a 18 32
    gets b 18 32
}

@test "best effort: what one leaves is the other's" {
    shares a="$DEEP" b=idle
    gets a 85 101
}

@test "who queues long kernels behind a user event does not starve who launches and waits" {
    "$TESSERA" gpu set gpu0 --policy equal-share
    shares a="$SYNC" b="$BULLY"
    gets a 25 60
    gets b 40 60
}

@test "policy and slice change under load, and no command is lost" {
    local policies=(best-effort equal-share fixed-share) slices=(1ms 2ms 30ms default) i
    start_work "$out" 3000 a="$DEEP" b="$SYNC"
    for ((i = 0; i < 40; i++)); do
        "$TESSERA" gpu set gpu0 --policy "${policies[i % 3]}" --slice "${slices[i % 4]}" >/dev/null
    done
    ended_with 0 "$started"
    cat "$out"
    nothing_lost "$out"
}

@test "the watchdog ends a kernel that never ends, only while others wait" {
    "$TESSERA" gpu set gpu0 --policy equal-share --watchdog 1s
    start_work "$BATS_TEST_TMPDIR/endless" 1000 b="--endless --depth 1"
    sleep 2.5
    sessions_are b 1
    work 1000 a="$DEEP"
    nothing_lost "$out"
    within 5 sessions_are b 0
    within 5 says "$BATS_TEST_TMPDIR/endless" "b error"
    [[ "$(of_vgpu b .last_error.message)" == *watchdog* ]]
}

@test "a manager that is killed: programs go on, and are governed again when it is back" {
    "$TESSERA" gpu set gpu0 --policy fixed-share
    start_work "$out" 5000 a="$DEEP"
    kill -9 "$(manager_pid)"
    within 5 is_gone "$(manager_pid)"
    sleep 2
    manager_start
    ended_with 0 "$started"
    cat "$out"
    nothing_lost "$out"
    shares a="$DEEP"
    gets a 18 32
}

# Found by a benchmark: after some seconds of it one of two programs never got a turn again.
@test "programs that are alone and together in turn both go on" {
    local start=$BATS_TEST_TMPDIR/start
    start_on a "$out.a" "$PROGRAMS/guest_alternate" 0 "$start" 12 32 60000
    a=$started
    start_on b "$out.b" "$PROGRAMS/guest_alternate" 1 "$start" 12 8 1000000
    within 30 says "$out.a" ready
    within 30 says "$out.b" ready
    awk '{ print $1 + 0.3 }' /proc/uptime >"$start.new"
    mv "$start.new" "$start"
    ended_with 0 "$started"
    ended_with 0 "$a"
}
