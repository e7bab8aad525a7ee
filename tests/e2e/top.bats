#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# top, stats, gpu log and gpu set as their user meets them: against counters that are known
# (fake_manager.py), so that the figures can be told beforehand.

load lib
bats_require_minimum_version 1.5.0

setup_file() {
    export BUILD=${TESSERA_BUILD:-$(realpath "$BATS_TEST_DIRNAME/../../build")}
    export TESSERA=$BUILD/tessera TESSERA_RUNTIME_DIR=$BATS_FILE_TMPDIR/run TESSERA_NO_START=1
    "$BATS_TEST_DIRNAME/fake_manager.py" "$TESSERA_RUNTIME_DIR" 3>&- &
    echo $! >"$BATS_FILE_TMPDIR/fake.pid"
    disown $!
    within 10 manager_serves
}

teardown_file() {
    end_process "$(cat "$BATS_FILE_TMPDIR/fake.pid")"
}

tessera() {
    "$TESSERA" "$@"
}

# On a terminal of the kind that KIND names: in_terminal STEP... (terminal.py)
in_terminal() {
    run env TERM="${KIND:-vt100}" "$BATS_TEST_DIRNAME/terminal.py" "$@"
    echo "$output"
}

@test "gpu set: settings with their units" {
    tessera gpu set gpu0 --policy equal-share --slice 1500us --elastic 20% --watchdog 30s |
        grep -q 'policy equal-share, slice 1.5 ms, elastic 20 %, watchdog 30 s'
    tessera gpus | grep -q 'equal-share *1.5 ms'
    tessera gpu set gpu0 --watchdog off | grep -q 'watchdog off'
    tessera gpu set gpu0 --slice 2ms -o json |
        jq -e '.slice_us == 2000 and .policy == "equal-share" and .watchdog_seconds == 0'
    tessera gpu set gpu0 --slice default -o json | jq -e '.slice_us == 0'
    tessera gpu set gpu0 --slice 2ms
}

@test "gpu set: what is wrong is said before anybody is asked" {
    local word
    for word in 2 2m fast -1ms 0ms 1.5ns; do
        run tessera gpu set gpu0 "--slice=$word"
        refused 2 "--slice" 2ms
    done
    run tessera gpu set gpu0 --watchdog 1500ms
    refused 2 "--watchdog" 30s off
    run tessera gpu set gpu0 --elastic 101
    refused 2 "--elastic" 100
    run tessera gpu set gpu0 --elastic=-5
    refused 2 "--elastic"
    run tessera gpu log gpu0 --slice 2ms
    refused 2 "gpu set"
    run tessera gpu set gpu0
    refused 2 "--policy"
}

@test "gpu log: a turn a line, also those that nobody owned" {
    run tessera gpu log gpu0
    [[ "${lines[1]}" =~ \.000001\ a\ .*2.1\ ms.*2\ ms.*4\ ms.*500\ us ]]
    [[ "${lines[2]}" =~ \.002101\ \(nobody\)\ 1.5\ ms ]]
    tessera gpu log gpu0 -o json | jq -e '.entries | length == 2 and .[1].vgpu == null'
    run tessera gpu log gpu7
    refused 1 gpu7 "tessera gpus"
}

@test "stats: of all, of one, of none" {
    tessera stats | grep -q '^a *gpu0 *working '
    tessera stats b -o json |
        jq -e '.time_ns > 0 and (.gpus[0].vgpus | length == 1 and .[0].name == "b")'
    run tessera stats c
    refused 1 "'c'" "tessera list"
}

@test "top --once: what was used over what has passed" {
    tessera top --once -d 300ms -o json | jq -e '.gpus[0] | .policy != null and
        (.vgpus | map({(.name): .share_got}) | add | (.a - 0.75 | fabs) < 0.05 and
            (.b - 0.25 | fabs) < 0.05)'
    tessera top --once -d 0.3 --sort name | grep -q '^a *gpu0 *cpu-512m *working *50.0 %'
    run tessera top --sort size
    refused 2 "--sort" kernels
    run tessera top -d 10ms
    refused 2 "--delay" 100ms
}

@test "top without a terminal says so, and prints one interval" {
    run --separate-stderr tessera top -d 200ms
    [ "$status" -eq 0 ]
    [[ "$stderr" == *"no terminal"*"--once"* ]]
    [[ "$output" == *"WAITING"* ]]
}

@test "top on a terminal: figures, sorting, help, and a clean end" {
    in_terminal until:"used 100.0 %" show key:q -- "$TESSERA" top -d 200ms
    [[ "$output" == *"gpu0  cpu, 2 GiB"*"used 100.0 %"* ]]
    [[ "$output" =~ a\ +cpu-512m\ +working\ +50.0\ % ]]
    [[ "$output" == *"status 0, terminal as before"* ]]
    in_terminal until:"used 100.0 %" key:w until:"sorted by waiting" \
        key:h until:"ASKED    what" show key:q -- "$TESSERA" top -d 200ms
    [[ "$output" == *"sorted by waiting"*"ASKED    what the policy promises"* ]]
}

@test "top follows a resized terminal" {
    in_terminal --size 150x20 until:COPIED size:60x12 0.5 until:GOT show key:q -- \
        "$TESSERA" top -d 200ms
    [[ "$output" == *"GOT"* ]]
    [[ "$output" != *"COPIED"* ]]
    [[ "$output" == *"status 0, terminal as before"* ]]
}

@test "top gives the terminal back when it is ended by a signal" {
    in_terminal until:GOT $'key:\x03' -- "$TESSERA" top
    [[ "$output" == *"status 130, terminal as before"* ]]
    in_terminal until:GOT signal:TERM -- "$TESSERA" top
    [[ "$output" == *"status 143, terminal as before"* ]]
}

@test "top has colours on a terminal that has them, unless NO_COLOR is set" {
    local esc=$'\x1b'
    KIND=xterm-256color
    in_terminal --raw until:working key:q -- "$TESSERA" top -d 200ms
    [[ "$output" =~ $esc\[[0-9\;]*3[26] ]]
    export NO_COLOR=1
    in_terminal --raw until:working key:q -- "$TESSERA" top -d 200ms
    [[ ! "$output" =~ $esc\[[0-9\;]*3[26]m ]]
}
