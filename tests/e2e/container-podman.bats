#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# podman knows vGPUs as CDI devices. It has a storage of its own here, and looks for
# specifications in a folder of ours, which only root can show it.

load lib
load container

setup_file() {
    PROBLEM=$(containers_problem podman)
    export PROBLEM
    [ -z "$PROBLEM" ] || return 0
    unset TESSERA_CALLS
    e2e_begin
    rootfs_begin
    export CDI=$BATS_FILE_TMPDIR/cdi
    mkdir "$CDI"
    tar -C "$ROOTFS" --owner 0 --group 0 --numeric-owner -c . | engine import - guest:latest
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
    engine rm --all --force --time 0 >/dev/null 2>&1 || true
    manager_serves || manager_start
    e2e_clean
}

engine() {
    local own=$BATS_FILE_TMPDIR/podman
    with_mounts podman --root "$own/root" --runroot "$own/run" --tmpdir "$own/tmp" \
        --storage-driver vfs --cgroup-manager cgroupfs --events-backend file "$@"
}

# contain OPTION... guest PROGRAM... The limits are low: left alone podman raises them, and fails
# where root may not.
contain() {
    engine run --rm --pull never --network none --cgroups disabled \
        --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$@" </dev/null
}

# devices [NAME...]: the specification is made anew; the options for these vGPUs.
devices() {
    local name
    "$TESSERA" cdi --file "$CDI/tessera.json" >&2
    for name in "$@"; do
        echo --device "tessera.dev/vgpu=$name"
    done
}

only_root() {
    [ "$(id -u)" -eq 0 ] || skip "only root can show podman a folder with specifications"
}

holding() {
    echo "fb_limit hold $1 $MIB /bin/sh"
}

@test "a container with a device sees its vGPU, and one without sees none" {
    only_root
    run contain $(devices a) guest clinfo
    [ "$status" -eq 0 ]
    sees_vgpus 1
    grep -Eq '^  Global memory size +536870912 \(512MiB\)$' <<<"$output"
    run contain guest clinfo
    grep -Eq '^Number of platforms +0$' <<<"$output"
}

@test "two devices, and all of them" {
    only_root
    "$TESSERA" create b --type $TYPE
    "$TESSERA" create 7c --type $TYPE
    run contain $(devices b 7c) guest clinfo
    sees_vgpus 2
    run contain $(devices all) guest clinfo
    sees_vgpus 3
    run contain $(devices a all) guest clinfo
    sees_vgpus 3
}

@test "an image's own driver is not seen beside the vGPU" {
    only_root
    local folder drivers=()
    for folder in "${DRIVERS[@]}"; do
        [ ! -e "$folder" ] || drivers+=(-v "$folder:$folder:ro")
    done
    run contain "${drivers[@]}" guest clinfo
    echo "$output"
    [[ "$output" == *"Portable Computing Language"* ]]
    run contain $(devices a) "${drivers[@]}" guest clinfo
    sees_vgpus 1
    [[ "$output" != *"Portable Computing Language"* ]]
}

@test "a vGPU that is not there is refused" {
    only_root
    run contain $(devices a) --device tessera.dev/vgpu=nobody guest clinfo
    [ "$status" -ne 0 ]
    [[ "$output" == *nobody* ]]
}

@test "the options of container-args do as a device does" {
    "$TESSERA" create b --type $TYPE
    run contain $("$TESSERA" container-args a b) guest clinfo
    [ "$status" -eq 0 ]
    sees_vgpus 2
}

@test "two containers on two vGPUs, and a third beside the first" {
    only_root
    "$TESSERA" create b --type $TYPE
    start "$log.1" contain $(devices a) guest $(holding 300)
    start "$log.2" contain $(devices b) guest $(holding 200)
    start "$log.3" contain $(devices a) guest $(holding 212)
    within 60 says "$log.1" held
    within 60 says "$log.2" held
    within 60 says "$log.3" held
    used_is a "$FRAMEBUFFER"
    used_is b $((200 * MIB))
    sessions_are a 2
}

@test "a container that is killed gives its memory back" {
    only_root
    start "$log" contain --name victim $(devices a) guest $(holding 500)
    within 60 says "$log" held
    used_is a $((500 * MIB))
    engine kill --signal KILL victim
    within 1 used_is a 0
    sessions_are a 0
}

@test "a container goes on when the manager is killed, and works with the next one" {
    only_root
    local pid
    start "$log" contain --name survivor $(devices a) guest sh -c "$(holding 100) & sleep 100"
    within 60 says "$log" held
    pid=$(manager_pid)
    kill -9 "$pid"
    within 3 is_gone "$pid"
    manager_start
    [ "$(of_vgpu a '.sessions[0].adopted')" = true ]
    used_is a $((100 * MIB))
    run engine exec survivor clinfo
    sees_vgpus 1
}

@test "any user of a container may use its vGPU, without any capability" {
    only_root
    run contain $(devices a) --user 1234:1234 --cap-drop all guest clinfo
    sees_vgpus 1
}

@test "a network trains in a container" {
    only_root
    local data=/usr/share/datasets
    [ -d "$data/fashion-mnist" ] || skip "dataset-fashion-mnist is not installed"
    contain $(devices a) -v "$data:$data:ro" guest \
        tessera-train --json --steps 30 --batch 10 --no-eval --seed 3 >"$log"
    [ "$(result_of "$log" steps)" -eq 30 ]
}
