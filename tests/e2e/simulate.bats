#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# tessera simulate: shares of each policy, traces, mistakes. No manager runs, and none is started.

load lib
bats_require_minimum_version 1.5.0

setup_file() {
    export BUILD=${TESSERA_BUILD:-$(realpath "$BATS_TEST_DIRNAME/../../build")}
    export TESSERA=$BUILD/tessera TESSERA_RUNTIME_DIR=$BATS_FILE_TMPDIR/run
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
    [ ! -e "$TESSERA_RUNTIME_DIR" ]
}

simulate() {
    "$TESSERA" simulate "$@"
}

# shares POLICY VGPU: that vGPU of a JSON answer on stdin.
shares() {
    jq -e --arg p "$1" --arg v "$2" '.policies[] | select(.policy == $p)
        | .vgpus[] | select(.name == $v)'
}

@test "each policy gives eight busy vGPUs an eighth each" {
    simulate --time 20s -o json >all.json
    jq -e '[.policies[].policy] == ["best-effort", "equal-share", "fixed-share"]' all.json
    jq -e 'all(.policies[]; .jain > 0.999 and .idle < 0.001 and (.vgpus | length) == 8
        and all(.vgpus[]; .share_held > 0.12 and .share_held < 0.13
            and .share_got < .share_held and .wait_p99_ns >= .wait_p50_ns))' all.json
}

@test "what others leave unused: given away under best effort, and under no other" {
    simulate name=busy name=rests,start=1s,kernel=1ms,arrival=open:1s --max-instances 4 \
        --time 20s --handover 0ns -o json >two.json
    shares best-effort busy <two.json | jq -e '.share_promised == null and .share_got > 0.99'
    shares equal-share busy <two.json | jq -e '.share_promised == 0.5
        and .share_got > 0.5 and .share_got < 0.54'
    shares fixed-share busy <two.json | jq -e '.share_promised == 0.25
        and .share_got > 0.249 and .share_got < 0.251'
    simulate name=busy name=rests,start=19s --max-instances 4 --elastic 20 --handover 0ns \
        --policy fixed-share --time 20s -o json | shares fixed-share busy |
        jq -e '.share_got > 0.299 and .share_got < 0.301'
}

@test "a big one's kernels cost the small one waiting, and no share" {
    simulate name=big,share=1/2,kernel=20ms name=small,share=50%,kernel=500us --time 60s \
        --policy fixed-share -o json >bully.json
    shares fixed-share big <bully.json | jq -e '.share_held > 0.495 and .share_held < 0.505'
    shares fixed-share small <bully.json | jq -e '.share_held > 0.495 and .share_held < 0.505
        and .wait_p99_ns > 15000000'
}

@test "the same seed gives the same figures, another one others" {
    simulate --time 1s --gpus 3 >one
    simulate --time 1s --gpus 3 | cmp - one
    run ! cmp -s <(simulate --time 1s --gpus 3 --seed 7) one
    grep -q 'WORST P99' one
}

@test "a trace: from a file and from stdin, in any order, beside described vGPUs" {
    printf '# recorded\n\n10ms b 2ms\n0ms a 500us\n1.5ms a 500us\n' >trace
    simulate --trace trace --handover 0s --policy best-effort -o json >trace.json
    jq -e '.time_ns == 12000000' trace.json
    shares best-effort a <trace.json | jq -e '.commands == 2 and .wait_p99_ns == 0'
    shares best-effort b <trace.json | jq -e '.commands == 1'
    simulate --trace - --handover 0s --policy best-effort -o json <trace | cmp - trace.json
    simulate name=a,share=1/2 name=busy --trace trace --time 1s -o json |
        shares fixed-share a | jq -e '.share_promised == 0.5 and .commands == 2'
}

@test "a trace's mistakes are told with file and line" {
    printf '0ms a 500us\n# good\n1ms a\n' >trace
    run simulate --trace trace
    refused 1 "trace:3: a line is TIME VGPU LENGTH"
    printf '0ms a 500us\n5 a 500us\n' >trace
    run simulate --trace trace
    refused 1 "trace:2: the time is not one"
    for i in {0..32}; do echo "0ms v$i 1ms"; done >trace
    run simulate --trace trace
    refused 1 "trace:33: " "too many vGPUs"
    head -c 5000 /dev/zero >trace
    run simulate --trace trace
    refused 1 "trace:1: the line is too long"
    run simulate --trace - </dev/null
    refused 1 "stdin: no command"
    run simulate --trace missing
    refused 1 "missing: No such file"
}

@test "mistakes of the command line are status 2 and say what is allowed" {
    run simulate --policy fair
    refused 2 "--policy 'fair'" "equal-share"
    run simulate --slice 31ms
    refused 2 "--slice '31ms'" "from 1 ms to 30 ms"
    run simulate --gpus 0
    refused 2 "--gpus '0'" "from 1 to 10000"
    run simulate --vgpus 33
    refused 2 "--vgpus '33'" "32"
    run simulate --time 5
    refused 2 "--time '5'" "unit"
    run simulate kernel=fast
    refused 2 "kernel: 500us, exp:500us"
    run simulate arrival=late
    refused 2 "arrival: busy, closed:THINK"
    run simulate colour=red
    refused 2 "colour: not known: name, share"
    run simulate name=a name=a
    refused 2 "two vGPUs are called 'a'"
    run simulate --max-instances 4
    refused 2 "200.0 %" "--max-instances"
    run simulate start=2m
    refused 2 "starts after the end"
}

@test "a plot is drawn, and where it cannot be is known before the work" {
    simulate --time 1s --gpus 2 --plot shares.svg
    [ "$(head -c 5 shares.svg)" = "<?xml" ]
    grep -q promised shares.svg
    [ ! -e shares.svg.tmp ]
    run simulate --time 1s --plot missing/shares.svg
    refused 1 "missing/shares.svg: No such file"
    [[ "$output" != *POLICY* ]]
}

@test "on a terminal there is a bar, and Ctrl-C leaves nothing behind" {
    run --separate-stderr timeout -s INT 1 "$TESSERA" simulate kernel=1us --time 10h
    [ "$status" -eq 124 ] && [ -z "$output$stderr" ]
    run "$BATS_TEST_DIRNAME/terminal.py" until:"%  equal-share" show signal:INT -- \
        "$TESSERA" simulate kernel=1us --time 1h --policy equal-share
    echo "$output"
    [[ "$output" == *"%  equal-share"*"status -2, terminal as before"* ]]
    [[ "$output" != *POLICY* ]]
}

# bats test_tags=computes
@test "a thousand GPUs of eight vGPUs for ten seconds" {
    simulate --policy equal-share --gpus 1000 --time 10s -o json >many.json
    jq -e '.policies[0] | .jain_least > 0.999 and (.gpus | length) == 1000
        and all(.vgpus[]; .share_got_least > 0.122 and .share_got_most < 0.125)' many.json
}
