#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Containers that crun makes of OCI bundles, edited by tessera oci-edit.

load lib
load container

setup_file() {
    PROBLEM=$(containers_problem crun)
    export PROBLEM
    [ -z "$PROBLEM" ] || return 0
    unset TESSERA_CALLS
    e2e_begin
    rootfs_begin
}

teardown_file() {
    [ -n "$PROBLEM" ] || e2e_end
}

setup() {
    [ -z "$PROBLEM" ] || skip "$PROBLEM"
    "$TESSERA" create a --type $TYPE
    log=$BATS_TEST_TMPDIR/log
}

teardown() {
    [ -z "$PROBLEM" ] || return 0
    local id
    for id in $(oci list -q 2>/dev/null); do
        oci delete --force "$id" || true
    done
    manager_serves || manager_start
    e2e_clean
}

oci() {
    with_mounts timeout --foreground 60 crun --root "$BATS_FILE_TMPDIR/crun" \
        --cgroup-manager=disabled "$@"
}

# bundle ID PROGRAM...
bundle() {
    local folder=$BATS_TEST_TMPDIR/$1 words
    shift
    words=$(jq -n '$ARGS.positional' --args -- "$@")
    mkdir "$folder"
    (cd "$folder" && if [ "$(id -u)" -eq 0 ]; then crun spec; else crun spec --rootless; fi)
    jq_in "$folder/config.json" --arg root "$ROOTFS" --argjson words "$words" '
        .process.terminal = false | .process.args = $words
        | .root = {path: $root, readonly: true}
        | del(.mounts[] | select(.destination == "/sys/fs/cgroup"))'
}

# jq_in FILE ARG...: replaces the file by what jq makes of it.
jq_in() {
    local file=$1
    shift
    jq "$@" <"$file" >"$file.new"
    mv "$file.new" "$file"
}

run_bundle() {
    oci run --bundle "$BATS_TEST_TMPDIR/$1" "$1" </dev/null
}

# contain ID VGPUS PROGRAM...: in a container named ID with these vGPUs.
contain() {
    local id=$1 vgpus=$2
    shift 2
    bundle "$id" "$@"
    # shellcheck disable=SC2086 # several names
    "$TESSERA" oci-edit "$BATS_TEST_TMPDIR/$id" $vgpus >/dev/null
    run_bundle "$id"
}

# A program that takes MEBIBYTES and holds them until it is killed.
holding() {
    echo "fb_limit hold $1 $MIB /bin/sh"
}

@test "a container sees its vGPU, and a bundle that was not edited sees none" {
    run contain one a clinfo
    [ "$status" -eq 0 ]
    sees_vgpus 1
    grep -Eq '^  Global memory size +536870912 \(512MiB\)$' <<<"$output"
    bundle plain clinfo
    run run_bundle plain
    grep -Eq '^Number of platforms +0$' <<<"$output"
}

@test "an image's own driver is not seen beside the vGPU" {
    local id folder
    for id in with without; do
        bundle "$id" clinfo
        for folder in "${DRIVERS[@]}"; do
            [ -e "$folder" ] || continue
            jq_in "$BATS_TEST_TMPDIR/$id/config.json" --arg f "$folder" \
                '.mounts += [{destination: $f, source: $f, type: "bind", options: ["bind", "ro"]}]'
        done
    done
    "$TESSERA" oci-edit "$BATS_TEST_TMPDIR/with" a
    run run_bundle without
    echo "$output"
    [[ "$output" == *"Portable Computing Language"* ]]
    run run_bundle with
    sees_vgpus 1
    [[ "$output" != *"Portable Computing Language"* ]]
}

@test "several vGPUs are several devices" {
    "$TESSERA" create b --type $TYPE
    run contain two "b a" clinfo
    sees_vgpus 2
}

@test "two containers on two vGPUs, each with its own framebuffer" {
    "$TESSERA" create b --type $TYPE
    start "$log.1" contain one a $(holding 300)
    start "$log.2" contain two b $(holding 200)
    within 30 says "$log.1" held
    within 30 says "$log.2" held
    used_is a $((300 * MIB))
    used_is b $((200 * MIB))
}

@test "two containers on one vGPU share its framebuffer" {
    start "$log.1" contain one a $(holding 300)
    within 30 says "$log.1" held
    run contain two a fb_limit hold 300 $MIB /bin/sh
    [ "$status" -ne 0 ]
    start "$log.3" contain three a $(holding 212)
    within 30 says "$log.3" held
    used_is a "$FRAMEBUFFER"
    sessions_are a 2
}

@test "a container that is killed gives its memory back" {
    start "$log" contain one a $(holding 500)
    within 30 says "$log" held
    used_is a $((500 * MIB))
    oci kill one KILL
    within 1 used_is a 0
    sessions_are a 0
}

@test "a container goes on when the manager is killed, and works with the next one" {
    local pid
    start "$log" contain one a sh -c "$(holding 100) & sleep 60"
    within 30 says "$log" held
    pid=$(manager_pid)
    kill -9 "$pid"
    within 3 is_gone "$pid"
    manager_start
    [ "$(of_vgpu a '.sessions[0].adopted')" = true ]
    used_is a $((100 * MIB))
    run oci exec one clinfo
    sees_vgpus 1
    oci exec one guest_threads 2 5
}

@test "any user of a container may use its vGPU" {
    bundle one clinfo
    "$TESSERA" oci-edit "$BATS_TEST_TMPDIR/one" a
    if [ "$(id -u)" -eq 0 ]; then
        jq_in "$BATS_TEST_TMPDIR/one/config.json" \
            '.process.user = {uid: 1234, gid: 1234} | del(.process.capabilities)'
        chmod o+x "$BATS_RUN_TMPDIR"{,/file} "$BATS_FILE_TMPDIR"
    fi
    run run_bundle one
    sees_vgpus 1
}

@test "a container cannot take the socket away" {
    run contain one a rm /run/tessera-guest/a/socket
    [ "$status" -ne 0 ]
    [[ "$output" == *"Read-only file system"* ]]
    run contain two a clinfo
    sees_vgpus 1
}

@test "a vGPU that is deleted is gone from its container" {
    start "$log" contain one a sleep 60
    within 10 eval 'oci exec one clinfo | grep -q Tessera'
    "$TESSERA" delete a
    run oci exec one clinfo
    grep -Eq '^Number of platforms +0$' <<<"$output"
}

@test "a network trains in a container as in a process" {
    local data=/usr/share/datasets
    [ -d "$data/fashion-mnist" ] || skip "dataset-fashion-mnist is not installed"
    local train=(--json --steps 30 --batch 10 --no-eval --seed 3)
    on a "$TRAIN" "${train[@]}" >"$log.process"
    bundle one tessera-train "${train[@]}"
    jq_in "$BATS_TEST_TMPDIR/one/config.json" --arg f "$data" \
        '.mounts += [{destination: $f, source: $f, type: "bind", options: ["bind", "ro"]}]'
    "$TESSERA" oci-edit "$BATS_TEST_TMPDIR/one" a
    run_bundle one >"$log.container"
    [ -n "$(result_of "$log.process" loss)" ]
    [ "$(result_of "$log.process" loss)" = "$(result_of "$log.container" loss)" ]
}
