#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# tessera vm against libvirt's test driver, which keeps domains in the process that uses it: what
# one command prints by --print-xml is the domain of the next.

load lib
bats_require_minimum_version 1.5.0

setup_file() {
    export BUILD=${TESSERA_BUILD:-$(realpath "$BATS_TEST_DIRNAME/../../build")}
    export TESSERA=$BUILD/tessera TESSERA_NO_START=1
    unset LIBVIRT_DEFAULT_URI
}

# Each test has a manager and a host of its own.
setup() {
    command -v virsh >/dev/null || skip "libvirt-clients is not installed"
    export TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/run TESSERA_SYSFS=$BATS_TEST_TMPDIR/sys
    start "$BATS_TEST_TMPDIR/manager.log" "$BATS_TEST_DIRNAME/fake_vm_manager.py" \
        "$TESSERA_RUNTIME_DIR"
    within 10 manager_serves
    domain vm1 5 >"$BATS_TEST_TMPDIR/vm1.xml"
    domain vm2 5 >"$BATS_TEST_TMPDIR/vm2.xml"
    host vm1.xml vm2.xml
}

teardown() {
    programs_end
}

# domain NAME RUNSTATE (1: running, 5: shut off) [DEVICES]
domain() {
    cat <<END
<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
  <name>$1</name>
  <uuid>00000000-0000-4000-8000-00000000000${1: -1}</uuid>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os><type arch='i686'>hvm</type></os>
  <devices>${3:-}</devices>
  <test:runstate>$2</test:runstate>
</domain>
END
}

# host FILE...: the machine has these domains, and no others.
host() {
    local file
    {
        echo "<node>"
        for file in "$@"; do echo "  <domain file='$BATS_TEST_TMPDIR/$file'/>"; done
        echo "</node>"
    } >"$BATS_TEST_TMPDIR/node.xml"
    export LIBVIRT_DEFAULT_URI=test://$BATS_TEST_TMPDIR/node.xml
}

vm() {
    "$TESSERA" vm "$@"
}

# What libvirt makes of a domain that we wrote: one line each, sorted out by xmllint.
as_libvirt() {
    local node=$BATS_TEST_TMPDIR/one.xml
    echo "<node><domain file='$1'/></node>" >"$node"
    virsh -q -c "test://$node" dumpxml --inactive --security-info "$2"
}

# becomes FILE COMMAND...: what it prints is a valid domain, and the file from now on.
becomes() {
    local file=$BATS_TEST_TMPDIR/$1
    shift
    vm "$@" --print-xml >"$file.new"
    valid "$file.new"
    mv "$file.new" "$file"
    shut_off "$file"
}

# To the test driver a domain is running unless its file says otherwise, which libvirt leaves out.
shut_off() {
    sed -i "s|<domain type=.test.|& xmlns:test='http://libvirt.org/schemas/domain/test/1.0'|
        s|</domain>|<test:runstate>5</test:runstate></domain>|" "$1"
}

valid() {
    xmllint --noout --relaxng /usr/share/libvirt/schemas/domain.rng "$1"
}

# An IOMMU group with a card of two functions behind a bridge, and a card alone.
sysfs() {
    pci 0000:00:01.0 0x060400 1
    pci 0000:01:00.0 0x030000 1
    pci 0000:01:00.1 0x040300 1
    pci 0000:02:00.0 0x030200 2
    pci 0000:03:00.0 0x030200 ""
}

# pci ADDRESS CLASS GROUP
pci() {
    local device=$TESSERA_SYSFS/bus/pci/devices/$1 group=$TESSERA_SYSFS/kernel/iommu_groups/$3
    mkdir -p "$device"
    echo "$2" >"$device/class"
    [ -n "$3" ] || return 0
    mkdir -p "$group/devices"
    ln -s "$group" "$device/iommu_group"
    ln -s "$device" "$group/devices/$1"
}

vm_of() {
    of_vgpu "$1" .vm"$2"
}

# connected NAME N: plays QEMU.
connected() {
    curl -sf --unix-socket "$TESSERA_RUNTIME_DIR/control.sock" -X PATCH \
        -d "{\"connected\": $2}" "http://tessera/v1/vgpus/$1" >/dev/null
}

@test "attach: libvirt takes it, and the manager knows the domain" {
    run vm attach vm1 a
    [ "$status" -eq 0 ]
    [ "$output" = "a: in vm1 from its next start on" ]
    [ "$(vm_of a .domain)" = vm1 ]
    vm attach vm1 a -o json |
        jq -e '.domain == "vm1" and .vgpu == "a" and .changed and (.in_use | not)'
}

@test "attach: the XML is valid, survives libvirt, and is not written twice" {
    becomes vm1.xml attach vm1 a
    as_libvirt "$BATS_TEST_TMPDIR/vm1.xml" vm1 >"$BATS_TEST_TMPDIR/dumped.xml"
    valid "$BATS_TEST_TMPDIR/dumped.xml"
    grep -q "ua-tessera-a-port15" "$BATS_TEST_TMPDIR/dumped.xml"
    grep -q "reconnect enabled='yes' timeout='1'" "$BATS_TEST_TMPDIR/dumped.xml"
    grep -q "<shmem name='tessera-a' role='master'>" "$BATS_TEST_TMPDIR/dumped.xml"
    run vm attach vm1 a
    [ "$output" = "a: already in vm1 from its next start on" ]
}

@test "detach: takes out exactly ours" {
    as_libvirt "$BATS_TEST_TMPDIR/vm1.xml" vm1 >"$BATS_TEST_TMPDIR/before"
    becomes vm1.xml attach vm1 a
    becomes vm1.xml attach vm1 b
    becomes vm1.xml detach vm1 a
    run ! grep -q "tessera-a" "$BATS_TEST_TMPDIR/vm1.xml"
    becomes vm1.xml detach vm1 b
    as_libvirt "$BATS_TEST_TMPDIR/vm1.xml" vm1 | diff "$BATS_TEST_TMPDIR/before" -
    run vm detach vm1 b
    [ "$output" = "b: was not in vm1" ]
}

@test "detach: the manager takes the memory back, also of a vGPU that is gone" {
    becomes vm1.xml attach vm1 a
    vm attach vm1 a
    run vm detach vm1 a
    [ "$output" = "a: out of vm1" ]
    [ "$(vm_of a '')" = null ]
    sed 's/\(tessera[-.]\|vm\/\)a\b/\1gone/g' "$BATS_TEST_TMPDIR/vm1.xml" \
        >"$BATS_TEST_TMPDIR/vm2.xml"
    sed -i 's/<name>vm1/<name>vm2/; /<uuid>/d' "$BATS_TEST_TMPDIR/vm2.xml"
    host vm2.xml
    run vm detach vm2 gone
    [ "$output" = "gone: out of vm2" ]
}

@test "two vGPUs in one VM have two controllers each" {
    becomes vm1.xml attach vm1 a
    becomes vm1.xml attach vm1 b
    as_libvirt "$BATS_TEST_TMPDIR/vm1.xml" vm1 >"$BATS_TEST_TMPDIR/dumped.xml"
    valid "$BATS_TEST_TMPDIR/dumped.xml"
    [ "$(grep -c "controller type='virtio-serial'" "$BATS_TEST_TMPDIR/dumped.xml")" -eq 4 ]
    [ "$(grep -c "<channel " "$BATS_TEST_TMPDIR/dumped.xml")" -eq 32 ]
    vm list -o json | jq -e '[.vms[] | select(.domain == "vm1").vgpu] == ["a", "b"]'
}

@test "refused: a domain that is not there" {
    run vm attach vm7 a
    refused 1 "vm attach 'vm7' 'a'" "there is no domain 'vm7'" "list --all"
    [ "$(vm_of a '')" = null ]
}

@test "refused: a vGPU that is not there, has lost its GPU, or is a whole card" {
    run vm attach vm1 nope
    refused 1 "there is no vGPU 'nope'" hint
    run vm attach vm1 lost
    refused 1 "unavailable" "gpu9 is not there"
    run vm attach vm1 card
    refused 1 "whole card" "--pci 0000:02:00.0"
}

@test "a software GPU that is passed through is attached like any vGPU" {
    becomes vm1.xml attach vm1 soft
    grep -q ua-tessera-soft-port15 "$BATS_TEST_TMPDIR/vm1.xml"
}

@test "refused: a vGPU that another domain has" {
    becomes vm1.xml attach vm1 a
    run vm attach vm2 a
    refused 1 "in the domain 'vm1'" "tessera vm detach vm1 a"
}

@test "refused: a vGPU that QEMU without libvirt is connected to" {
    vm qemu-args a >/dev/null
    connected a 3
    run vm attach vm1 a
    refused 1 "QEMU of a VM without libvirt is connected"
    connected a 0
    vm attach vm1 a
    [ "$(vm_of a .domain)" = vm1 ]
}

@test "refused: a vGPU that was given to a domain of another libvirt" {
    vm attach vm1 a
    host vm2.xml
    run vm attach vm2 a
    refused 1 "'vm1' that is not at test://" "tessera vm release a"
    vm release a
    vm attach vm2 a
    [ "$(vm_of a .domain)" = vm2 ]
}

@test "refused: what libvirt cannot plug into a running domain, and all is as before" {
    run vm attach vm1 a --live
    refused 1 "it does not run" "without --live"
    domain vm1 1 >"$BATS_TEST_TMPDIR/vm1.xml"
    run vm attach vm1 a --live
    refused 1 "room for 0 virtio-serial ports" "attach without --live"
    [ "$(vm_of a '')" = null ]
    domain vm1 1 "<controller type='virtio-serial' index='0'/>" >"$BATS_TEST_TMPDIR/vm1.xml"
    run vm attach vm1 a --live
    refused 1 "device 1 of 16, ua-tessera-a-port0" "libvirt cannot plug it in"
    [ "$(vm_of a '')" = null ]
}

@test "a running domain gets it at its next start, and keeps it until it stops" {
    domain vm1 1 >"$BATS_TEST_TMPDIR/vm1.xml"
    run vm attach vm1 a
    [ "$output" = "a: in vm1 from its next start on (--live plugs it in now)" ]
    becomes vm1.xml attach vm1 a
    sed -i "s/runstate>5/runstate>1/" "$BATS_TEST_TMPDIR/vm1.xml"
    run vm attach vm1 a
    [ "$output" = "a: already in vm1, now and from each start on" ]
    run vm detach vm1 a
    [[ "$output" == "a: out of vm1 when it stops; then detach again"* ]]
    [ "$(vm_of a .domain)" = vm1 ]
}

@test "start makes what the vGPUs need, stop shuts down" {
    becomes vm1.xml attach vm1 a
    [ "$(vm_of a '')" = null ]
    run vm start vm1
    [ "$output" = "vm1: running" ]
    [ "$(vm_of a .domain)" = vm1 ]
    run vm stop vm1
    [ "$output" = "vm1: already off" ]
    domain vm2 1 >"$BATS_TEST_TMPDIR/vm2.xml"
    run vm stop vm2
    [ "$output" = "vm2: off" ]
    vm stop --force vm2 -o json | jq -e '.domain == "vm2" and .state == "off" and .changed'
    run vm start vm2
    [ "$output" = "vm2: already running" ]
}

@test "start: a vGPU that is gone is said with the way out" {
    becomes vm1.xml attach vm1 a
    sed -i 's/\(tessera[-.]\|vm\/\)a\b/\1gone/g' "$BATS_TEST_TMPDIR/vm1.xml"
    run vm start vm1
    refused 1 "its vGPU 'gone'" "'tessera vm detach vm1 gone' starts it without"
}

@test "list: domains, vGPUs without libvirt, and those that are gone" {
    becomes vm1.xml attach vm1 a
    vm qemu-args b >/dev/null
    connected b 2
    run vm list
    [[ "${lines[0]}" == DOMAIN*STATE*VGPU*TYPE*GPU*FRAMEBUFFER*IN*PORTS ]]
    [[ "$output" == *"vm1"*"a"*"cpu-512m"*"gpu0"*"512 MiB"*"next start"* ]]
    [[ "$output" == *"-"*"b"*"now"*"2 of 16"* ]]
    vm list -o json | jq -e '.vms | length == 2 and .[1].domain == null and .[1].connected == 2'
}

@test "xml: the devices, valid where they belong" {
    vm xml a --index 3 >"$BATS_TEST_TMPDIR/devices"
    grep -q 'index="3"' "$BATS_TEST_TMPDIR/devices"
    domain vm3 5 "$(cat "$BATS_TEST_TMPDIR/devices")" | grep -v test:runstate |
        sed 's/ xmlns:test=.[^>]*//' >"$BATS_TEST_TMPDIR/vm3.xml"
    valid "$BATS_TEST_TMPDIR/vm3.xml"
    # What a person put there is ours from then on.
    host vm3.xml
    run vm detach vm3 a
    [[ "$output" == "a: out of vm3"* ]]
}

@test "qemu-args: words for a shell, an array for programs" {
    local words
    # shellcheck disable=SC2207 # split as a shell does it
    words=($(vm qemu-args a))
    [ "${#words[@]}" -eq 72 ]
    [ "${words[3]}" = "ivshmem-plain,memdev=tessera-a,master=on" ]
    vm qemu-args a -o json | jq -e 'length == 72 and .[0] == "-object"'
    [ "$(vm_of a .domain)" = null ]
    vm qemu-args b --user 64055 >/dev/null
    [ "$(vm_of b .uid)" = 64055 ]
    run vm release b
    [ "$status" -eq 0 ]
    [ "$(vm_of b '')" = null ]
}

@test "--pci: a card with all of its group, and Tessera gives it to nobody else" {
    sysfs
    run vm attach vm1 --pci 0000:01:00.0
    refused 1 "shares its IOMMU group with 0000:01:00.1" "--pci 0000:01:00.1"
    [ "$(of_vgpu pci-0000-01-00-0 .gpu || true)" = "" ]
    run vm attach vm1 --pci 0000:01:00.0 --pci 01:00.1
    [ "$status" -eq 0 ]
    [ "$output" = "0000:01:00.0, 0000:01:00.1: in vm1 from its next start on" ]
    [ "$(of_vgpu pci-0000-01-00-0 .gpu)" = gpu1 ]
    becomes vm1.xml attach vm1 --pci 0000:01:00.0 --pci 0000:01:00.1
    grep -q '<hostdev mode="subsystem" type="pci" managed="yes">' "$BATS_TEST_TMPDIR/vm1.xml"
    vm list -o json | jq -e '[.vms[].pci] == ["0000:01:00.0", "0000:01:00.1"]'
    run vm attach vm2 --pci 0000:01:00.0 --pci 0000:01:00.1
    refused 1 "passed through to the domain 'vm1'"
    vm detach vm1 --pci 0000:01:00.0 --pci 0000:01:00.1
    run "$TESSERA" show pci-0000-01-00-0
    refused 1 "there is no vGPU"
}

@test "--pci: refused in words, and nothing stays reserved" {
    sysfs
    run vm attach vm1 --pci 0000:09:00.0
    refused 1 "there is no PCI device 0000:09:00.0"
    run vm attach vm1 --pci 0000:00:01.0
    refused 1 "is a bridge"
    run vm attach vm1 --pci 0000:03:00.0
    refused 1 "in no IOMMU group" "intel_iommu=on"
    run vm attach vm1 --pci 0000:01:00.0 --pci 0000:01:00.1 --pci 0000:02:00.0
    refused 1 "0000:02:00.0: it is gpu2, which has vGPUs ('card')"
    run "$TESSERA" show pci-0000-01-00-0
    refused 1 "there is no vGPU"
}

@test "--pci: a hostdev of somebody else is not ours to remove" {
    sysfs
    becomes vm1.xml attach vm1 --pci 0000:01:00.0 --pci 0000:01:00.1
    sed -i '/ua-tessera-pci/d' "$BATS_TEST_TMPDIR/vm1.xml"
    run vm attach vm1 --pci 0000:01:00.0 --pci 0000:01:00.1
    [[ "$output" == *"already in vm1"* ]]
    run vm detach vm1 --pci 0000:01:00.0
    refused 1 "not put there by 'tessera vm attach'"
}

@test "clone: of a domain that is off, with a vGPU and files of its own" {
    local disk=$BATS_TEST_TMPDIR/vm1.img
    echo data >"$disk"
    domain vm1 5 "<disk type='file' device='disk'><source file='$disk'/>
        <target dev='vda' bus='virtio'/></disk>" >"$BATS_TEST_TMPDIR/vm1.xml"
    becomes vm1.xml attach vm1 a
    run vm clone vm1 vm2
    refused 1 "vm clone 'vm1'" "a domain 'vm2' exists already"
    run vm clone vm1 vm3 --vgpu b
    refused 1 "a vGPU 'b' exists already"
    run ! test -e "$BATS_TEST_TMPDIR/vm3.img"
    run vm clone vm1 vm3
    [ "$output" = "vm3: off, a copy of vm1, with vm3" ]
    cmp "$disk" "$BATS_TEST_TMPDIR/vm3.img"
    [ "$(vm_of vm3 .domain)" = vm3 ]
    vm clone vm1 vm4 --vgpu c -o json | jq -e --arg disk "$BATS_TEST_TMPDIR/vm4.img" '
        .domain == "vm4" and .of == "vm1" and .state == "off" and .vgpus == ["c"] and
        .files == [$disk] and .paused_ms == 0'
    run vm clone vm1 vm3 --vgpu d
    refused 1 "cannot make $BATS_TEST_TMPDIR/vm3.img"
    run "$TESSERA" show d
    refused 1 "there is no vGPU"
    echo data | cmp - "$BATS_TEST_TMPDIR/vm3.img"
}

@test "libvirt: which one, and what if it is not there" {
    run vm list --connect test:///no/such/file
    refused 1 "cannot reach libvirt at test:///no/such/file" "--connect"
    run vm attach vm1 a --connect qemu+ssh://elsewhere/system
    refused 1 "another machine's libvirt"
    vm list --connect test:///default -o json | jq -e '.vms == []'
}

@test "mistakes on the command line" {
    local words
    while read -r words; do
        # shellcheck disable=SC2086 # words
        run vm $words
        refused 2 "tessera vm --help"
    done <<'END'
pause vm1
suspend
attach vm1
attach vm1 a b
attach vm1 a --pci 01:00.0
attach vm1 --pci 1
attach vm1 a --force
attach vm1 a --live --print-xml
list vm1
start
stop vm1 --live
clone vm1
clone vm1 vm2 --live
suspend vm1 --vgpu a
xml a --connect test:///default
xml a --index x
qemu-args a --user nobody-of-that-name
release
END
    run vm --help
    [[ "$output" == *"--pci=ADDRESS"* ]]
}
