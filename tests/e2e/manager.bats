#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The manager may die and come back: programs go on, and are adopted.

load lib

setup_file() {
    e2e_begin
}

teardown_file() {
    e2e_end
}

setup() {
    "$TESSERA" create a --type $TYPE
    one=$BATS_TEST_TMPDIR/one
}

teardown() {
    manager_serves || manager_start
    e2e_clean
}

kill_manager() {
    local pid
    pid=$(manager_pid)
    kill -9 "$pid"
    within 3 is_gone "$pid"
}

@test "a program trains on while the manager is killed and started again" {
    local worker
    start_on a "$one" "$TRAIN" --json --steps 200 --batch 10 --report 5 --no-eval
    within 20 says "$one" '"step":5'
    worker=$(worker_of a)
    kill_manager
    run "$TESSERA" list
    refused 1 "no manager serves"
    manager_start
    is_gone "$started" && skip "the machine is too slow: training was done already"
    [ "$(worker_of a)" = "$worker" ]
    [ "$(of_vgpu a '.sessions[0].adopted')" = true ]
    run "$TESSERA" list
    [[ "$output" == *"running, adopted"* ]]
    run "$TESSERA" show a
    [[ "$output" == *[Aa]dopted* ]]
    wait "$started"
    [ "$(result_of "$one" steps)" -eq 200 ]
    within 1 sessions_are a 0
    used_is a 0
}

@test "an adopted program's memory counts, and comes back" {
    local go=$BATS_TEST_TMPDIR/go
    touch "$go"
    start_on a "$one" "$PROGRAMS/fb_limit" hold 500 $MIB "$go"
    within 20 says "$one" held
    kill_manager
    manager_start
    used_is a $((500 * MIB))
    run on a "$PROGRAMS/fb_limit" exact $FRAMEBUFFER $MIB
    [[ "$output" == *"buffer 13 of 512 was refused"* ]]
    kill -9 "$(program_of "$started")"
    within 1 used_is a 0
    on a "$PROGRAMS/fb_limit" exact $FRAMEBUFFER $MIB
}

@test "a program may end while there is no manager" {
    start_on a "$one" "$PROGRAMS/guest_threads" 2 200
    within 20 sessions_are a 1
    kill_manager
    within 30 is_gone "$started"
    wait "$started"
    manager_start
    within 1 sessions_are a 0
    used_is a 0
    on a "$PROGRAMS/guest_threads" 2 5
}

# A guest's kernel can write into its vGPU's account, where workers share its storage.
@test "who is named as a worker, and is none, is left alone" {
    local account=$TESSERA_RUNTIME_DIR/accounts/a victim
    start "$BATS_TEST_TMPDIR/victim" sleep 300
    victim=$started
    kill_manager
    "$BUILD/tests/hostile/account_forge" "$account" 5 "$victim"
    manager_start
    sessions_are a 0
    says "$MANAGER_LOG" "'a': process $victim is said to be its worker, and is none"
    kill_manager
    "$BUILD/tests/hostile/account_forge" "$account" 5 "$victim"
    rm "$TESSERA_STATE_DIR/vgpus/a.json"
    manager_start
    [ "$("$TESSERA" list -o json | jq '.vgpus | length')" -eq 0 ]
    ps -p "$victim"
}

@test "shutdown without --end leaves programs alone" {
    local pid
    pid=$(manager_pid)
    start_on a "$one" "$TRAIN" --json --steps 200 --batch 10 --report 5 --no-eval
    within 20 says "$one" '"step":5'
    "$TESSERA" shutdown
    is_gone "$pid"
    manager_start
    wait "$started"
    [ "$(result_of "$one" steps)" -eq 200 ]
}

@test "types, places, names and settings survive a restart" {
    "$TESSERA" create b --type $TYPE
    "$TESSERA" gpu set gpu0 --mode mixed-size
    "$TESSERA" create c --type cpu-1g
    "$TESSERA" list -o json | jq '.vgpus | sort_by(.name) | map({name, uuid, type, start_bytes})' \
        >"$BATS_TEST_TMPDIR/before"
    kill_manager
    manager_start
    "$TESSERA" list -o json | jq '.vgpus | sort_by(.name) | map({name, uuid, type, start_bytes})' \
        >"$BATS_TEST_TMPDIR/after"
    diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
    [ "$("$TESSERA" gpus -o json | jq -r '.gpus[0].mode')" = mixed-size ]
    on c "$PROGRAMS/guest_threads" 1 2
    "$TESSERA" delete c
    "$TESSERA" gpu set gpu0 --mode equal-size
}

@test "the vGPU of tessera run --type goes with it, even when nobody is there to see it" {
    start "$one" "$TESSERA" run --type $TYPE -- sleep 60
    local program
    within 10 program_of "$started" >/dev/null
    program=$(program_of "$started")
    [ "$("$TESSERA" list -o json | jq '.vgpus | length')" -eq 2 ]
    kill_manager
    kill -9 "$started"
    manager_start
    within 2 only_a
    end_process "$program"
}

only_a() {
    [ "$("$TESSERA" list -o json | jq -r '[.vgpus[].name] | join(" ")')" = a ]
}
