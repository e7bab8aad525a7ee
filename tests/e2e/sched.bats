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

# rate_of VGPU: launches a second, of the last work.py in $out.
rate_of() {
    awk -v vgpu="$1" '$1 == vgpu { print $2 }' "$out"
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

# between LOW VALUE HIGH: in percent of $alone, a rate measured before.
between() {
    echo "$2 of $alone: from $1 % to $3 %?"
    [ $((100 * $2)) -ge $(($1 * alone)) ] && [ $((100 * $2)) -le $(($3 * alone)) ]
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
    start_work "$out" 4000 a="$DEEP" b=idle
    within 5 state_is a working
    state_is b running
    ended_with 0 "$started"
    within 5 state_is a stopped
}

@test "equal share: one that works beside one that only has a program gets half, then all" {
    work 1500 a="$DEEP"
    alone=$(rate_of a)
    "$TESSERA" gpu set gpu0 --policy equal-share
    work 1500 a="$DEEP" b=idle
    between 30 "$(rate_of a)" 65
    work 1500 a="$DEEP"
    between 70 "$(rate_of a)" 200
}

@test "fixed share: a quarter, whoever else is there" {
    work 1500 a="$DEEP"
    alone=$(rate_of a)
    "$TESSERA" gpu set gpu0 --policy fixed-share
    work 1500 a="$DEEP"
    between 12 "$(rate_of a)" 36
    work 1500 a="$DEEP" b="$DEEP"
    between 12 "$(rate_of a)" 36
    between 12 "$(rate_of b)" 36
}

@test "best effort: what one leaves is the other's" {
    work 1500 a="$DEEP"
    alone=$(rate_of a)
    work 1500 a="$DEEP" b=idle
    between 70 "$(rate_of a)" 200
}

@test "who queues long kernels behind a user event does not starve who launches and waits" {
    work 1500 a="$SYNC"
    alone=$(rate_of a)
    "$TESSERA" gpu set gpu0 --policy equal-share
    work 2000 a="$SYNC" b="$BULLY"
    between 20 "$(rate_of a)" 80
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
    within 5 state_is b working
    sleep 2.5
    sessions_are b 1
    work 1000 a="$DEEP"
    nothing_lost "$out"
    within 5 sessions_are b 0
    within 5 says "$BATS_TEST_TMPDIR/endless" "b error"
    [[ "$(of_vgpu b .last_error.message)" == *watchdog* ]]
}

@test "a manager that is killed: programs go on, and are governed again when it is back" {
    work 1500 a="$DEEP"
    alone=$(rate_of a)
    "$TESSERA" gpu set gpu0 --policy fixed-share
    start_work "$out" 6000 a="$DEEP"
    kill -9 "$(manager_pid)"
    within 5 is_gone "$(manager_pid)"
    sleep 2
    manager_start
    ended_with 0 "$started"
    cat "$out"
    nothing_lost "$out"
    work 1500 a="$DEEP"
    between 12 "$(rate_of a)" 36
}
