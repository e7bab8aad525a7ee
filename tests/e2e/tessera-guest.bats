#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# tessera-guest names what is wrong: each of its reasons, on a machine made of files, or by asking a
# manager.

load lib

setup_file() {
    e2e_begin
    export CHECK=$BUILD/tessera-guest
}

teardown_file() {
    e2e_end
}

setup() {
    root=$BATS_TEST_TMPDIR/root
    unset TESSERA_VGPU OCL_ICD_VENDORS
}

teardown() {
    e2e_clean
}

# A virtual machine with a vGPU, in which all is in order.
machine() {
    local pci=$root/sys/bus/pci/devices/0000:00:05.0 port=$root/sys/class/virtio-ports/vport2p1
    mkdir -p "$pci" "$port" "$root/dev" "$root/etc/OpenCL/vendors" "$root/sys/kernel/security"
    echo 0x1af4 >"$pci/vendor"
    echo 0x1110 >"$pci/device"
    printf TSRABAR1 >"$pci/resource2"
    truncate -s 8192 "$pci/resource2"
    echo tessera.a.0 >"$port/name"
    touch "$root/dev/vport2p1"
    echo /usr/lib/tessera/libtessera-opencl.so >"$root/etc/OpenCL/vendors/tessera.icd"
    echo '[none] integrity confidentiality' >"$root/sys/kernel/security/lockdown"
    bar=$pci/resource2
}

look() {
    run "$CHECK" --root "$root" "$@"
}

# look_failing PATH ERRNO: where what ends so cannot be opened.
look_failing() {
    run env LD_PRELOAD="$BUILD/tests/e2e/programs/libfail-open.so" FAIL_OPEN="$1" FAIL_ERRNO="$2" \
        "$CHECK" --root "$root"
}

# ask FOLDER [LIBRARY]: on the vGPU of that folder.
ask() {
    mkdir -p "$BATS_TEST_TMPDIR/icd"
    echo "${2:-$BUILD/libtessera-opencl.so}" >"$BATS_TEST_TMPDIR/icd/tessera.icd"
    run env TESSERA_VGPU="$1" OCL_ICD_VENDORS="$BATS_TEST_TMPDIR/icd" "$CHECK"
}

readonly EACCES=13 EBUSY=16 EPERM=1

@test "a machine that has all of it is told so" {
    machine
    look
    [ "$status" -eq 0 ]
    [[ "$output" != *failed* ]]
    look -o json
    [ "$(jq -c '[.vgpu, .way, [.checks[].check]]' <<<"$output")" = \
        '[true,"vm",["memory","ports","icd","device"]]' ]
}

@test "nothing at all: how each kind of guest is given a vGPU" {
    mkdir -p "$root"
    look
    refused 1 "tessera run" "tessera.dev/vgpu" "tessera vm attach" "There is no vGPU"
}

@test "ports, but no ivshmem device" {
    machine
    echo 0x1041 >"${bar%/*}/device"
    look
    refused 1 "no ivshmem device" "tessera vm attach"
}

@test "an ivshmem device of somebody else's" {
    machine
    printf SOMEBODY | dd of="$bar" conv=notrunc status=none
    look
    refused 1 "is not Tessera's" "no ivshmem device of Tessera's"
}

@test "an ivshmem device that is switched off" {
    machine
    printf '\377\377\377\377\377\377\377\377' | dd of="$bar" conv=notrunc status=none
    look
    refused 1 "is switched off" "enable"
}

@test "memory that the udev rule has not given to the group" {
    machine
    chmod 600 "$bar"
    look_failing /resource2 $EACCES
    refused 1 "for root alone" "udevadm trigger" "groupadd"
}

@test "memory of a group that the user is not in" {
    [ "$(id -g)" -ne 0 ] || [ "$(id -u)" -eq 0 ] || skip "cannot give a file to another group"
    machine
    [ "$(id -u)" -ne 0 ] || chgrp 65534 "$bar"
    chmod 660 "$bar"
    look_failing /resource2 $EACCES
    refused 1 "for the group '$(stat -c %G "$bar")'" "usermod -aG tessera"
}

@test "kernel lockdown" {
    machine
    echo 'none [integrity] confidentiality' >"$root/sys/kernel/security/lockdown"
    look_failing /resource2 $EPERM
    refused 1 "kernel lockdown is on (integrity)" "Secure Boot"
}

@test "the same error without kernel lockdown is not called that" {
    machine
    look_failing /resource2 $EPERM
    refused 1 "Operation not permitted"
    [[ "$output" != *lockdown* ]]
}

@test "no ports: the module, or the host" {
    machine
    rm "$root/sys/class/virtio-ports/vport2p1/name"
    look
    refused 1 "no virtio port is named tessera.*" "tessera vm attach"
    rm -r "$root/sys/class/virtio-ports"
    look
    refused 1 "modprobe virtio_console"
}

@test "all ports are busy" {
    machine
    look_failing /dev/vport2p1 $EBUSY
    refused 1 "all 1 virtio ports are in use"
}

@test "ports of root alone" {
    machine
    chmod 600 "$root/dev/vport2p1"
    look_failing /dev/vport2p1 $EACCES
    refused 1 "vport2p1 is for root alone" "udevadm"
}

@test "no .icd file that names the library" {
    machine
    echo libother.so >"$root/etc/OpenCL/vendors/tessera.icd"
    look
    refused 1 "no .icd file in" "tessera-guest"
    OCL_ICD_VENDORS=/etc/elsewhere look
    refused 1 "OCL_ICD_VENDORS=/etc/elsewhere"
}

@test "in a container: a folder without a manager behind it" {
    mkdir -p "$root/run/tessera-guest/a"
    look
    refused 1 "cannot connect to $root/run/tessera-guest/a/socket" "tessera list"
    look -o json
    [ "$(jq -r .way <<<"$output")" = container ]
}

@test "in a container of a virtual machine: memory and ports are files there" {
    local folder=$root/run/tessera-guest/a
    mkdir -p "$folder" "$root/etc/OpenCL/vendors"
    echo /usr/lib/tessera/libtessera-opencl.so >"$root/etc/OpenCL/vendors/tessera.icd"
    printf TSRABAR1 >"$folder/memory"
    truncate -s 8192 "$folder/memory"
    touch "$folder/port0" "$folder/port1"
    look -o json
    echo "$output"
    [ "$status" -eq 0 ]
    jq -e '.way == "container"' <<<"$output"
    jq -e '[.checks[] | select(.check == "ports")][0].message | startswith("2 ")' <<<"$output"
    rm "$folder"/port*
    look
    [ "$status" -eq 1 ]
    [[ "$output" == *"no virtio port"* || "$output" == *virtio_console* ]]
}

@test "no OpenCL loader" {
    "$TESSERA" create a --type $TYPE
    mkdir "$BATS_TEST_TMPDIR/lib"
    echo nothing >"$BATS_TEST_TMPDIR/lib/libOpenCL.so.1"
    LD_LIBRARY_PATH=$BATS_TEST_TMPDIR/lib ask "$TESSERA_RUNTIME_DIR/vgpus/a"
    refused 1 "libOpenCL.so.1" "ocl-icd-libopencl1" "the manager answers"
}

@test "a library that cannot be loaded" {
    "$TESSERA" create a --type $TYPE
    ask "$TESSERA_RUNTIME_DIR/vgpus/a" /nowhere/libtessera-opencl.so
    refused 1 "/nowhere/libtessera-opencl.so: cannot open" "install the package tessera-guest"
}

@test "a vGPU that is gone" {
    ask "$TESSERA_RUNTIME_DIR/vgpus/gone"
    refused 1 "cannot connect" "No such file" "tessera list"
}

@test "a worker of another version" {
    local folder=$BATS_TEST_TMPDIR/other
    mkdir "$folder"
    start "$BATS_TEST_TMPDIR/log" /usr/bin/python3 "$BATS_TEST_DIRNAME/other_version.py" \
        "$folder/socket"
    within 10 test -S "$folder/socket"
    ask "$folder"
    refused 1 "protocol version 99" "install the package tessera-guest of the host's version"
}

@test "another vendor's driver that crashes the loader" {
    "$TESSERA" create a --type $TYPE
    mkdir "$BATS_TEST_TMPDIR/icd"
    echo "$BUILD/tests/e2e/programs/libcrash-driver.so" >"$BATS_TEST_TMPDIR/icd/other.icd"
    ask "$TESSERA_RUNTIME_DIR/vgpus/a"
    refused 1 "another vendor's driver" "Segmentation fault"
}

@test "a mistake on the command line" {
    run "$CHECK" -o yaml
    refused 2 "table or json"
    run "$CHECK" --help
    [ "$status" -eq 0 ]
}
