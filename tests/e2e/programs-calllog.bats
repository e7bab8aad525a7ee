#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The call-log test: what a program calls natively and what the worker calls for it on a vGPU, both
# recorded by one interposing driver (tests/calllog), agree call by call, but for the documented
# differences (tests/calllog/compare.py --rules).

load lib

setup_file() {
    export BUILD=${TESSERA_BUILD:-$(realpath "$BATS_TEST_DIRNAME/../../build")}
    export TESSERA_CALLLOG=$BATS_FILE_TMPDIR/worker
    export TESSERA_CALLLOG_DRIVER CALLLOG_ICD=$BUILD/tests/calllog/calllog.icd
    TESSERA_CALLLOG_DRIVER=$(cat /etc/OpenCL/vendors/pocl.icd)
    unset TESSERA_CALLS
    mkdir "$TESSERA_CALLLOG"
    OCL_ICD_VENDORS=$CALLLOG_ICD e2e_begin
    "$TESSERA" create a --type cpu-256m
}

teardown_file() {
    e2e_end
}

setup() {
    rm -f "$TESSERA_CALLLOG"/*
    NATIVE=$BATS_RUN_TMPDIR/native-calls/$BATS_TEST_NAME
}

teardown() {
    programs_end
}

# recorded PROGRAM...: natively, once for both kinds of GPU, whose files may run at the same time.
recorded() {
    mkdir -p "$(dirname "$NATIVE")"
    { flock 9 && record "$@" 9>&-; } 9>"$NATIVE.lock"
}

record() {
    local calls=$BATS_TEST_TMPDIR/calls
    [ ! -d "$NATIVE" ] || return 0
    mkdir "$calls"
    env -u TESSERA_VGPU OCL_ICD_VENDORS="$CALLLOG_ICD" POCL_CACHE_DIR="$COMPILED" \
        TESSERA_CALLLOG="$calls" timeout "${LIMIT_S:-120}" "$@" || return
    mv "$calls" "$NATIVE"
}

# The two logs, once the worker is gone.
logs_agree() {
    within 10 sessions_are a 0
    within 10 of_vgpu_is a .last_error null
    /usr/bin/python3 "$BATS_TEST_DIRNAME/../calllog/compare.py" \
        ${TESSERA_SOFTWARE_DISCRETE:+--discrete} "$NATIVE" "$TESSERA_CALLLOG"
}

of_vgpu_is() {
    [ "$(of_vgpu "$1" "$2")" = "$3" ]
}

# agrees PROGRAM...: run natively and on a vGPU.
agrees() {
    recorded "$@" >"$BATS_TEST_TMPDIR/native" 2>&1 || { cat "$BATS_TEST_TMPDIR/native" && false; }
    LIMIT_S=${LIMIT_S:-120} on a "$@" >"$BATS_TEST_TMPDIR/guest" 2>&1 ||
        { cat "$BATS_TEST_TMPDIR/guest" && false; }
    logs_agree
}

need() {
    command -v "$1" >/dev/null || skip "$1 is not installed"
}

@test "clinfo" {
    need clinfo
    agrees clinfo
}

# Its buffers are as large as the device allows; PoCL allows a quarter of its memory, as much as
# the vGPU has.
@test "clpeak: transfers and launches" {
    need clpeak
    on_shared_storage_alone
    export TESSERA_CALLLOG_ARG_INFO=1 # for time, as for CLBlast
    POCL_MEMORY_LIMIT=1 agrees clpeak --transfer-bandwidth --kernel-latency
}

@test "pyopencl: arrays, elementwise kernels, reductions, scans, sorting, images" {
    /usr/bin/python3 -c 'import pyopencl' 2>/dev/null || skip "python3-pyopencl is not installed"
    export TESSERA_CALLLOG_ARG_INFO=1 # for time, as for CLBlast
    PYOPENCL_NO_CACHE=1 LIMIT_S=280 agrees /usr/bin/python3 "$BATS_TEST_DIRNAME/arrays.py"
}

on_a() {
    LIMIT_S=280 on a "$@"
}

@test "the trainer" {
    [ -d /usr/share/datasets/fashion-mnist ] || skip "dataset-fashion-mnist is not installed"
    agrees "$TRAIN" --json --steps 1 --batch 10 --report 0 --seed 5
}

@test "reads, writes, rectangles, mappings, sub-buffers" {
    agrees "$PROGRAMS/guest_transfer"
}

# What PoCL gets wrong is not asked of it.
but_for_pocl() {
    recorded "$@" pocl >/dev/null
    on a "$@" >/dev/null
    logs_agree
}

@test "user events, callbacks, queues out of order" {
    agrees "$PROGRAMS/guest_events" pocl
}

@test "sub-devices" {
    but_for_pocl "$PROGRAMS/guest_subdevices" kernels
}

# The program asks for more where it is not told that this is PoCL.
@test "images of every type: read, write, fill, copy, map, host pointers" {
    agrees "$PROGRAMS/guest_images" pocl
}

@test "images and samplers as arguments of kernels; images in buffers" {
    agrees "$PROGRAMS/guest_image_kernels"
}

@test "callbacks, stamps, what queues and contexts refuse" {
    agrees "$PROGRAMS/guest_callbacks" pocl
}

@test "command buffers: recorders, sync points, replays" {
    agrees "$PROGRAMS/guest_command_buffer" pocl
}

@test "printf of kernels" {
    agrees "$PROGRAMS/guest_printf" order
}

@test "kernels: arguments, queries, clones, launches" {
    agrees "$PROGRAMS/guest_kernel"
}

@test "compile, link, include files, binaries" {
    local how
    for how in recorded on_a; do
        mkdir "$BATS_TEST_TMPDIR/$how"
        "$how" "$PROGRAMS/guest_compile" "$BATS_TEST_TMPDIR/$how" >/dev/null
    done
    logs_agree
}

@test "programs: sources, errors, options, binaries" {
    agrees "$PROGRAMS/guest_program"
}

@test "threads, each with its own queue" {
    agrees "$PROGRAMS/guest_threads" 4 10
}

# Most of its time is the compiler's: what is built natively with the option that the worker adds is
# in the cache for the worker. It comes late, when programs-opencl has compiled it.
@test "CLBlast: levels 1 to 3" {
    [ -x "$PROGRAMS/clblast_levels" ] || skip "libclblast-dev is not installed"
    on_shared_storage_alone
    export TESSERA_CALLLOG_ARG_INFO=1
    LIMIT_S=280 agrees "$PROGRAMS/clblast_levels"
}

# One cache of kernels for both sides (PoCL's is shared too), and the same sizes of
# work: what it tunes by the clock is no matter of its calls.
crack() {
    local home=$BATS_FILE_TMPDIR/hashcat how=$1
    shift
    mkdir -p "$home"
    "$how" env HOME="$home" XDG_CACHE_HOME="$home" XDG_DATA_HOME="$home" \
        hashcat --potfile-disable --session calllog --opencl-device-types 1 --force \
        --optimized-kernel-enable -n 1 -u 64 "$@"
}

# It wants more memory than the others; all vGPUs of a GPU are of one type, so this comes last.
# bats test_tags=long
@test "hashcat: an MD5 mask" {
    need hashcat
    on_shared_storage_alone
    local hash
    hash=$(printf cab1 | md5sum | cut -d' ' -f1)
    "$TESSERA" delete a
    "$TESSERA" create a --type cpu-1g
    rm -f "$TESSERA_CALLLOG"/*
    export TESSERA_CALLLOG_ARG_INFO=1 # as for CLBlast
    LIMIT_S=280 crack recorded -m 0 -a 3 "$hash" '?l?l?l?d' >"$BATS_TEST_TMPDIR/native"
    crack on_a -m 0 -a 3 "$hash" '?l?l?l?d' >"$BATS_TEST_TMPDIR/guest"
    grep -q Cracked "$BATS_TEST_TMPDIR/guest"
    # It tells its kernels the platform's vendor: it knows PoCL, and Tessera is another to it.
    sed -i 's/VENDOR_ID=64\>/VENDOR_ID=2147483648/g' "$NATIVE"/*.jsonl
    logs_agree
}
