#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Equal chunks of one GPU: what fits, and what a refusal says.

load lib

setup_file() {
    export TESSERA_BACKEND=fake
    e2e_begin --software-memory 2g
}

teardown_file() {
    e2e_end
}

teardown() {
    e2e_clean
    "$TESSERA" gpu set gpu0 --mode equal-size >/dev/null
}

create() {
    "$TESSERA" create "$1" --type "$2"
}

@test "cpu-512m fits four times, the fifth is refused" {
    for name in a b c d; do create $name cpu-512m; done
    run create e cpu-512m
    refused 1 "create 'e'" "all 4 instances of cpu-512m on gpu0 are in use" hint
    "$TESSERA" delete b
    create e cpu-512m
    [ "$("$TESSERA" list -o json | jq '.vgpus | length')" -eq 4 ]
}

@test "the chunks lie side by side" {
    for name in a b c d; do create $name cpu-512m; done
    "$TESSERA" list -o json | jq -e '[.vgpus[].start_bytes] | sort == [0, 1, 2, 3 | . * 536870912]'
    [ "$("$TESSERA" gpus -o json | jq '.gpus[0].free_bytes')" -eq 0 ]
}

@test "another type is refused, with what would work" {
    create a cpu-512m
    run create b cpu-1g
    refused 1 "in use by vGPUs of type cpu-512m (equal-size mode)" "create a cpu-512m" \
        "tessera gpu set gpu0 --mode mixed-size"
    [ "$("$TESSERA" types -o json | jq '.types[] | select(.name == "cpu-1g").available')" -eq 0 ]
    [ "$("$TESSERA" types -o json | jq '.types[] | select(.name == "cpu-512m").available')" -eq 3 ]
}

@test "passthrough is refused while anything is in use" {
    create a cpu-512m
    run "$TESSERA" create whole --passthrough
    refused 1 "gpu0 has 1 vGPU" "passthrough takes a whole idle GPU"
    run "$TESSERA" run --passthrough -- true
    refused 125 "passthrough takes a whole idle GPU"
}

@test "nothing fits beside passthrough" {
    "$TESSERA" create whole --passthrough
    run create a cpu-512m
    refused 1 "gpu0 is passed through"
    run "$TESSERA" create more --passthrough
    refused 1 "gpu0"
    [ "$("$TESSERA" show whole -o json | jq -r .state)" = passthrough ]
}

@test "in mixed-size mode types share the GPU, each at a multiple of its size" {
    create a cpu-512m
    "$TESSERA" gpu set gpu0 --mode mixed-size
    create b cpu-1g
    create c cpu-256m
    "$TESSERA" list -o json | jq -e '.vgpus | all(.start_bytes % .framebuffer_bytes == 0)'
    run create d cpu-1g
    refused 1 "1 GiB"
}

@test "mixed-size mode stays while types differ" {
    "$TESSERA" gpu set gpu0 --mode mixed-size
    create a cpu-512m
    create b cpu-1g
    run "$TESSERA" gpu set gpu0 --mode equal-size
    refused 1 "gpu0 has vGPUs of different types" "equal-size mode takes one type only"
}

@test "deleted, all of it is free again" {
    for name in a b c d; do create $name cpu-512m; done
    "$TESSERA" delete a b c d
    create big cpu-2g
    [ "$("$TESSERA" show big -o json | jq .framebuffer_bytes)" -eq 2147483648 ]
}
