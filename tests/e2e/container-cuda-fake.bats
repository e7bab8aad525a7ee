#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Programs of CUDA's in containers that crun makes of OCI bundles, edited by tessera oci-edit. The
# driver is a fake one, at the place where it is on the host, as NVIDIA's tools mount theirs.

load lib
load container

setup_file() {
    PROBLEM=$(containers_problem crun)
    [ -n "$PROBLEM" ] || [ "$(id -u)" -eq 0 ] || PROBLEM="rootless crun has no host's processes"
    export PROBLEM
    [ -z "$PROBLEM" ] || return 0
    BUILD=${TESSERA_BUILD:-$(realpath "$BATS_TEST_DIRNAME/../../build")}
    export DRIVER=$BUILD/tests/cuda/libfakecuda.so
    e2e_begin --cuda-driver "$DRIVER"
    export ROOTFS=$BATS_FILE_TMPDIR/rootfs
    "$BATS_TEST_DIRNAME/../../scripts/guest-image.sh" "$ROOTFS" /bin/sh \
        "$BUILD/tests/cuda/cuda-vector"
    cp "$BUILD/tests/cuda/cuda-kernels.so" "$ROOTFS/kernels.so"
    mkdir -p "$ROOTFS/usr/lib"
    ln -s "$DRIVER" "$ROOTFS/usr/lib/libcuda.so.1"
}

teardown_file() {
    [ -n "$PROBLEM" ] || e2e_end
}

setup() {
    [ -z "$PROBLEM" ] || skip "$PROBLEM"
    "$TESSERA" create a --type $TYPE
}

teardown() {
    [ -z "$PROBLEM" ] || return 0
    manager_serves || manager_start --cuda-driver "$DRIVER"
    e2e_clean
}

# bundle ID PROGRAM...: with the driver in it, and no vGPU.
bundle() {
    local folder=$BATS_TEST_TMPDIR/$1
    shift
    mkdir "$folder"
    (cd "$folder" && crun spec)
    jq --arg root "$ROOTFS" --arg driver "$DRIVER" '
        .process.terminal = false | .process.args = $ARGS.positional
        | .root = {path: $root, readonly: true}
        | .mounts += [{destination: $driver, source: $driver, type: "bind",
                       options: ["bind", "ro"]}]
        | del(.mounts[] | select(.destination == "/sys/fs/cgroup"))' \
        --args -- "$@" <"$folder/config.json" >"$folder/new"
    mv "$folder/new" "$folder/config.json"
}

manager_is_gone() {
    ! manager_serves
}

contained() {
    with_mounts timeout --foreground 60 crun --root "$BATS_FILE_TMPDIR/crun" \
        --cgroup-manager=disabled run --bundle "$BATS_TEST_TMPDIR/$1" "$1" </dev/null
}

@test "without a vGPU a container has the whole GPU, with one the vGPU" {
    bundle plain cuda-vector /kernels.so
    run contained plain
    echo "$output"
    [[ "$output" == "sum 999000.0, "*" of 1073741824 bytes free" ]]
    bundle one cuda-vector /kernels.so
    "$TESSERA" oci-edit "$BATS_TEST_TMPDIR/one" a
    run contained one
    echo "$output"
    [[ "$output" == "sum 999000.0, "*" of $FRAMEBUFFER bytes free" ]]
    [ "$(of_vgpu a .sessions_total)" -eq 1 ]
    [ "$(of_vgpu a .used_bytes)" -eq 0 ]
}

@test "an allocation beyond the vGPU's framebuffer is out of memory" {
    bundle one cuda-vector /kernels.so $((200 << 20))
    "$TESSERA" oci-edit "$BATS_TEST_TMPDIR/one" a
    run contained one
    echo "$output"
    [ "$status" -ne 0 ]
    [[ "$output" == *": 2" ]]
}

@test "the same bundle edited twice is edited once" {
    bundle one cuda-vector /kernels.so
    "$TESSERA" oci-edit "$BATS_TEST_TMPDIR/one" a
    cp "$BATS_TEST_TMPDIR/one/config.json" "$BATS_TEST_TMPDIR/once"
    "$TESSERA" oci-edit "$BATS_TEST_TMPDIR/one" a
    cmp "$BATS_TEST_TMPDIR/one/config.json" "$BATS_TEST_TMPDIR/once"
}

@test "the kernel's limit takes a kernel that accounts for the card's memory" {
    bundle one cuda-vector /kernels.so
    cp "$BATS_TEST_TMPDIR/one/config.json" "$BATS_TEST_TMPDIR/before"
    run "$TESSERA" oci-edit --dmem "$BATS_TEST_TMPDIR/one" a
    echo "$output"
    [ "$status" -eq 1 ]
    [[ "$output" == *"does not account for the memory"* ]]
    cmp "$BATS_TEST_TMPDIR/one/config.json" "$BATS_TEST_TMPDIR/before"
}

@test "without a manager a container with a vGPU has no GPU at all" {
    bundle one cuda-vector /kernels.so
    "$TESSERA" oci-edit "$BATS_TEST_TMPDIR/one" a
    kill -9 "$(manager_pid)"
    within 10 manager_is_gone
    run contained one
    echo "$output"
    [ "$status" -ne 0 ]
    [[ "$output" == *"cuInit"*": 802" ]]
}
