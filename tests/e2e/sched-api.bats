#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# How a GPU's time is shared out: settings, accounts and metrics of the control API.

load lib

setup_file() {
    export METRICS_PORT=$((20000 + RANDOM % 10000))
    e2e_begin --metrics-listen $METRICS_PORT
}

teardown_file() {
    e2e_end
}

setup() {
    socket=$TESSERA_RUNTIME_DIR/control.sock
    set_gpu '{"policy": "best-effort", "slice_us": 0, "elastic_percent": 0, "watchdog_seconds": 0}'
}

teardown() {
    e2e_clean
}

get() {
    curl -sf --unix-socket "$socket" "http://localhost$1"
}

# set_gpu JSON [GPU]
set_gpu() {
    curl -s --unix-socket "$socket" -X PATCH -d "$1" "http://localhost/v1/gpus/${2:-gpu0}"
}

# gpu_is FILTER VALUE
gpu_is() {
    local is
    is=$(get /v1/gpus/gpu0 | jq -c "$1")
    echo "$1 is $is"
    [ "$is" = "$2" ]
}

# not_set JSON WORD...: refused, and each word said.
not_set() {
    local answer word
    answer=$(set_gpu "$1")
    shift
    echo "$answer"
    [ "$(jq -r .error.code <<<"$answer")" = bad-request ]
    for word in "$@"; do
        [[ "$(jq -r .error.message <<<"$answer")" == *"$word"* ]]
    done
}

stats_of() {
    get /v1/stats | jq -c ".gpus[0].vgpus[] | select(.name == \"$1\") | $2"
}

@test "best effort is the default, without a watchdog" {
    gpu_is .policy '"best-effort"'
    gpu_is '[.slice_us, .elastic_percent, .watchdog_seconds]' '[2000,0,0]'
}

@test "the slice is shorter where a type allows more than eight" {
    "$TESSERA" create a --type cpu-128m
    gpu_is .slice_us 1000
    "$TESSERA" delete a
    gpu_is .slice_us 2000
}

@test "policy, slice, elastic cap and watchdog are set, shown and kept" {
    set_gpu '{"policy": "fixed-share", "slice_us": 5000, "elastic_percent": 25,
        "watchdog_seconds": 30}' |
        jq -e '.policy == "fixed-share" and .slice_us == 5000'
    manager_stop
    manager_start --metrics-listen "$METRICS_PORT"
    gpu_is .policy '"fixed-share"'
    gpu_is '[.slice_us, .elastic_percent, .watchdog_seconds]' '[5000,25,30]'
    set_gpu '{"policy": "equal-share"}' all | jq -e '.gpus[0].policy == "equal-share"'
    gpu_is '[.slice_us, .elastic_percent, .watchdog_seconds]' '[5000,25,30]'
    set_gpu '{"slice_us": 0}'
    gpu_is .slice_us 2000
}

@test "what is no setting is refused, and changes nothing" {
    not_set '{"policy": "fair"}' "'fair' is no policy" best-effort equal-share fixed-share
    not_set '{"slice_us": 999}' slice_us 1000 30000
    not_set '{"slice_us": 30001}' slice_us
    not_set '{"slice_us": -1}' "0 or more"
    not_set '{"slice_us": "2ms"}' "whole number"
    not_set '{"elastic_percent": 101}' elastic_percent 100
    not_set '{"watchdog_seconds": 3601}' watchdog_seconds 3600
    not_set '{"policy": "equal-share", "slice_us": 1}' slice_us
    not_set '{"weight": 2}' weight
    not_set '{}' policy
    gpu_is .policy '"best-effort"'
}

@test "a vGPU is stopped, or running while it has a program" {
    set_gpu '{"policy": "equal-share"}'
    "$TESSERA" create a --type $TYPE
    "$TESSERA" create b --type $TYPE
    [ "$(stats_of a '[.state, .sessions, .share_asked]')" = '["stopped",0,null]' ]
    touch "$BATS_TEST_TMPDIR/go"
    start_on a "$BATS_TEST_TMPDIR/log" "$PROGRAMS/fb_limit" hold 1 $MIB "$BATS_TEST_TMPDIR/go"
    within 20 says "$BATS_TEST_TMPDIR/log" held
    [ "$(stats_of a '[.state, .sessions, .share_asked]')" = '["running",1,1]' ]
    [ "$(stats_of a .used_bytes)" = $MIB ]
    # Who only exists owns nothing of an equal share, and all of a fixed one.
    set_gpu '{"policy": "fixed-share"}'
    [ "$(stats_of b .share_asked)" = 0.25 ]
    [ "$(stats_of a .share_asked)" = 0.25 ]
}

@test "counters never fall, also when a program has ended" {
    local before
    "$TESSERA" create a --type $TYPE
    on a "$PROGRAMS/guest_kernel"
    within 5 sessions_are a 0
    before=$(stats_of a .commands)
    [ "$before" -gt 0 ]
    on a "$PROGRAMS/guest_kernel"
    within 5 sessions_are a 0
    [ "$(stats_of a .commands)" -eq $((before * 2)) ]
    get /v1/stats | jq -e '.time_ns > 0 and (.gpus[0] | .idle_ns > 0 and .arbiter_cpu_ns > 0)'
    get /v1/stats | jq -e '[.gpus[0].vgpus[0] | .kernels, .copied_bytes, .busy_ns, .used_ns,
        .debt_ns, .compile_ns, .waited_ns, .turns, .overruns, .overrun_ns] | all(type == "number")'
}

@test "the log of turns has the policy and at most 200 entries" {
    get /v1/gpus/gpu0/log |
        jq -e '.gpu == "gpu0" and .policy == "best-effort" and (.entries | length <= 200)'
    curl -s --unix-socket "$socket" http://localhost/v1/gpus/gpu9/log |
        jq -e '.error.code == "not-found"'
}

@test "metrics read well in both formats" {
    local old=$BATS_TEST_TMPDIR/old new=$BATS_TEST_TMPDIR/new
    "$TESSERA" create a --type $TYPE
    on a "$PROGRAMS/guest_kernel"
    get /metrics | "$BATS_TEST_DIRNAME/openmetrics.py" >"$old"
    grep -q '^tessera_gpu_policy_info{gpu="gpu0",model="cpu",policy="best-effort"} 1$' "$old"
    grep -q '^tessera_vgpu_commands_total{vgpu="a",gpu="gpu0",type="cpu-512m"} [1-9]' "$old"
    curl -sf --unix-socket "$socket" -D "$BATS_TEST_TMPDIR/head" \
        -H 'Accept: application/openmetrics-text; version=1.0.0' http://localhost/metrics |
        "$BATS_TEST_DIRNAME/openmetrics.py" --open >"$new"
    grep -qi '^content-type: application/openmetrics-text' "$BATS_TEST_TMPDIR/head"
    diff <(sed 's/}.*/}/' "$old") <(sed 's/}.*/}/' "$new")
}

@test "the metrics' port serves them alone, on loopback alone" {
    local url=http://127.0.0.1:$METRICS_PORT
    curl -sf "$url/metrics" | "$BATS_TEST_DIRNAME/openmetrics.py" | grep -q ^tessera_gpu_
    curl -sf -H 'Accept: application/openmetrics-text' "$url/metrics" |
        "$BATS_TEST_DIRNAME/openmetrics.py" --open >"$BATS_TEST_TMPDIR/new"
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/v1/gpus")" = 404 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' -X POST -d x "$url/metrics")" = 405 ]
    ss -Hltn "sport = :$METRICS_PORT" | grep -q "127.0.0.1:$METRICS_PORT"
    run "$BUILD/tesserad" --metrics-listen somewhere:1
    refused 2 "not a possible value"
}

@test "programs and vGPUs that do nothing cost the arbiter nothing" {
    for name in a b c d; do
        "$TESSERA" create $name --type $TYPE
    done
    touch "$BATS_TEST_TMPDIR/go"
    start_on a "$BATS_TEST_TMPDIR/log" "$PROGRAMS/fb_limit" hold 1 $MIB "$BATS_TEST_TMPDIR/go"
    within 20 says "$BATS_TEST_TMPDIR/log" held
    within 15 arbiter_rests # the last turn is called back after a second
}

arbiter_cpu() {
    get /v1/stats | jq '.gpus[0].arbiter_cpu_ns'
}

arbiter_rests() { # for a second
    local before
    before=$(arbiter_cpu)
    sleep 1
    [ "$(arbiter_cpu)" = "$before" ]
}
