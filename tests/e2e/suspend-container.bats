#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A training in a container whose vGPU is suspended and resumed.

load lib
load container
load suspend

setup_file() {
    PROBLEM=$(containers_problem crun)
    export PROBLEM
    [ -z "$PROBLEM" ] || return 0
    unset TESSERA_CALLS
    e2e_begin --software-gpus 2
    rootfs_begin
    small_data "$(data_folder)"
}

teardown_file() {
    [ -n "$PROBLEM" ] || e2e_end
}

setup() {
    [ -z "$PROBLEM" ] || skip "$PROBLEM"
    need_data
    log=$BATS_TEST_TMPDIR/log
    "$TESSERA" create a --type $TYPE --gpu gpu0
}

teardown() {
    [ -z "$PROBLEM" ] || return 0
    oci delete --force one 2>/dev/null || true
    e2e_clean
}

oci() {
    with_mounts timeout --foreground 60 crun --root "$BATS_FILE_TMPDIR/crun" \
        --cgroup-manager=disabled "$@"
}

# A container's training, with the data at the path that training() names.
bundle_of_training() {
    local words
    mkdir "$BATS_TEST_TMPDIR/one"
    words=$(jq -n '$ARGS.positional' --args -- tessera-train $(training | cut -d ' ' -f 2-))
    (cd "$BATS_TEST_TMPDIR/one" &&
        if [ "$(id -u)" -eq 0 ]; then crun spec; else crun spec --rootless; fi)
    jq --arg root "$ROOTFS" --arg data "$(data_folder)" --argjson words "$words" '
        .process.terminal = false | .process.args = $words
        | .root = {path: $root, readonly: true}
        | del(.mounts[] | select(.destination == "/sys/fs/cgroup"))
        | .mounts += [{destination: $data, source: $data, type: "bind",
                       options: ["bind", "ro"]}]' \
        "$BATS_TEST_TMPDIR/one/config.json" >"$BATS_TEST_TMPDIR/config.json"
    mv "$BATS_TEST_TMPDIR/config.json" "$BATS_TEST_TMPDIR/one/config.json"
    "$TESSERA" oci-edit "$BATS_TEST_TMPDIR/one" a
}

# An engine makes no folders in a root file system that can only be read.
make_place_for_data() {
    mkdir -p "$ROOTFS$(data_folder)"
}

@test "a training in a container goes on on another GPU, to the same figures" {
    said_natively $(training) >"$BATS_TEST_TMPDIR/undisturbed"
    make_place_for_data
    bundle_of_training
    start "$log" oci run --bundle "$BATS_TEST_TMPDIR/one" one
    within 60 is_at "$log" $((10 + RANDOM % 50))
    away a
    back a --gpu gpu1
    ended_with 0 "$started" || { cat "$log" && false; }
    diff -u <(figures "$BATS_TEST_TMPDIR/undisturbed") <(figures "$log")
}
