#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Real OpenCL programs, unmodified, on a vGPU.

load lib

setup_file() {
    e2e_begin
}

teardown_file() {
    e2e_end
}

teardown() {
    e2e_clean
}

# alone PROGRAM...: on a vGPU of its own, of the type ON.
alone() {
    timeout --foreground "${LIMIT_S:-120}" "$TESSERA" run --type "${ON:-$TYPE}" -- "$@"
}

need() {
    command -v "$1" >/dev/null || skip "$1 is not installed"
}

@test "clinfo sees one platform Tessera with one device of 512 MiB" {
    need clinfo
    alone clinfo >"$BATS_TEST_TMPDIR/out"
    grep -Eq '^Number of platforms +1$' "$BATS_TEST_TMPDIR/out"
    grep -Eq '^  Platform Name +Tessera$' "$BATS_TEST_TMPDIR/out"
    grep -Eq '^Number of devices +1$' "$BATS_TEST_TMPDIR/out"
    grep -Eq '^  Global memory size +536870912 \(512MiB\)$' "$BATS_TEST_TMPDIR/out"
}

@test "the device keeps the names of the real one" {
    need clinfo
    local name property
    for property in NAME VENDOR VERSION VENDOR_ID TYPE; do
        name=$(said_natively clinfo --prop "CL_DEVICE_$property" --raw | awk '{$1 = ""; print}')
        [ -n "$name" ]
        [ "$(alone clinfo --prop "CL_DEVICE_$property" --raw | awk '{$1 = ""; print}')" = "$name" ]
    done
}

# clinfo's lines in a form to compare: lists entry by entry, without their order.
clinfo_lines() {
    sed -E 's/^  Device (OpenCL C features|Extensions with Version) +//' | tr -s ' ' |
        sed 's/^ //' | sort
}

# What may differ: the platform, what depends on the framebuffer, what a vGPU refuses.
clinfo_without_what_differs() {
    grep -Ev '^ *Platform |^  clGetPlatformInfo\(NULL|Success \[| cl_pocl_content_size ' |
        grep -Ev '^  Global memory size|^  Max memory allocation|^    Run native kernels' |
        grep -Ev '^    (Coarse|Fine)-grained |^    Atomics ' |
        if [ -n "${TESSERA_SOFTWARE_DISCRETE:-}" ]; then grep -v '^  Unified memory'; else cat; fi
}

# What comes with images, with the parts of a device, and with built-in kernels.
clinfo_without_images_and_parts() {
    sed 's/ cl_khr_3d_image_writes\( cl\)/\1/' |
        grep -Ev '^__opencl_c_([a-z0-9_]*_)?image|^(Max|Base|Pitch) .*(image|sampler)' |
        grep -Ev '^Image support|sub-devices|partition types|Built-in kernels' |
        grep -Ev '^org\.khronos\.|^cl_khr_3d_image_writes'
}

@test "clinfo says the same as natively, but for what must differ" {
    need clinfo
    local how
    said_natively clinfo >"$BATS_TEST_TMPDIR/native"
    alone clinfo >"$BATS_TEST_TMPDIR/guest"
    for how in native guest; do
        clinfo_without_what_differs <"$BATS_TEST_TMPDIR/$how" | clinfo_lines |
            clinfo_without_images_and_parts >"$BATS_TEST_TMPDIR/$how.same"
    done
    [ "$(wc -l <"$BATS_TEST_TMPDIR/native.same")" -gt 100 ]
    diff -u "$BATS_TEST_TMPDIR/native.same" "$BATS_TEST_TMPDIR/guest.same"
}

@test "clinfo sees as many devices as vGPUs" {
    need clinfo
    timeout 60 "$TESSERA" run --type $TYPE --count 2 -- clinfo -l >"$BATS_TEST_TMPDIR/out"
    cat "$BATS_TEST_TMPDIR/out"
    [ "$(grep -c Platform "$BATS_TEST_TMPDIR/out")" -eq 1 ]
    [ "$(grep -c Device "$BATS_TEST_TMPDIR/out")" -eq 2 ]
}

@test "passthrough shows the GPU's own platform" {
    need clinfo
    timeout 60 "$TESSERA" run --passthrough -- clinfo -l >"$BATS_TEST_TMPDIR/out"
    cat "$BATS_TEST_TMPDIR/out"
    grep -q "Portable Computing Language" "$BATS_TEST_TMPDIR/out"
    ! grep -q Tessera "$BATS_TEST_TMPDIR/out"
}

# peaks OPTION...: clpeak runs to its end.
peaks() {
    need clpeak
    LIMIT_S=170 alone clpeak "$@" >"$BATS_TEST_TMPDIR/out"
    cat "$BATS_TEST_TMPDIR/out"
    grep -q "Platform: Tessera" "$BATS_TEST_TMPDIR/out"
    grep -Eq 'memcpy to mapped ptr +: [0-9.]+' "$BATS_TEST_TMPDIR/out"
    grep -Eq 'Kernel launch latency : [0-9.]+ us' "$BATS_TEST_TMPDIR/out"
    ! grep -qi 'fail\|error' "$BATS_TEST_TMPDIR/out"
}

@test "clpeak: transfers and launches" {
    peaks --transfer-bandwidth --kernel-latency
}

# Where storage is changes nothing for the compute tests, which take most of a minute.
# bats test_tags=long
@test "clpeak: all that it has" {
    on_shared_storage_alone
    peaks
    grep -Eq 'float16 +: [0-9.]+' "$BATS_TEST_TMPDIR/out"
}

@test "pyopencl: arrays, elementwise kernels, reductions, scans, sorting, images" {
    /usr/bin/python3 -c 'import pyopencl' 2>/dev/null || skip "python3-pyopencl is not installed"
    # That it asks for the right things, natively, is seen by programs-calllog.
    PYOPENCL_NO_CACHE=1 LIMIT_S=170 alone /usr/bin/python3 "$BATS_TEST_DIRNAME/arrays.py" \
        >"$BATS_TEST_TMPDIR/guest"
    diff -u - "$BATS_TEST_TMPDIR/guest" <<EOF
two arrays added
arrays
elementwise and reduction
scan
sorting
images
EOF
}

@test "CLBlast: levels 1 to 3 agree with a reference" {
    [ -x "$PROGRAMS/clblast_levels" ] || skip "libclblast-dev is not installed"
    LIMIT_S=280 alone "$PROGRAMS/clblast_levels"
}

@test "the trainer: natively, passed through and on a vGPU the same bits" {
    [ -d /usr/share/datasets/fashion-mnist ] || skip "dataset-fashion-mnist is not installed"
    local train=("$TRAIN" --json --steps 40 --batch 10 --report 0 --seed 5) how
    said_natively "${train[@]}" >"$BATS_TEST_TMPDIR/native"
    timeout 60 "$TESSERA" run --passthrough -- "${train[@]}" >"$BATS_TEST_TMPDIR/passthrough"
    alone "${train[@]}" >"$BATS_TEST_TMPDIR/vgpu"
    for how in native passthrough vgpu; do
        result_of "$BATS_TEST_TMPDIR/$how" accuracy
        [ "$(result_of "$BATS_TEST_TMPDIR/$how" loss)" = \
            "$(result_of "$BATS_TEST_TMPDIR/native" loss)" ]
        [ "$(result_of "$BATS_TEST_TMPDIR/$how" accuracy)" = \
            "$(result_of "$BATS_TEST_TMPDIR/native" accuracy)" ]
    done
    [ "$(result_of "$BATS_TEST_TMPDIR/vgpu" platform)" = Tessera ]
}

@test "the trainer names a truncated data file" {
    local data=$BATS_TEST_TMPDIR/data
    mkdir "$data"
    cp /usr/share/datasets/fashion-mnist/* "$data"
    gunzip "$data"/t10k-images-idx3-ubyte.gz
    truncate -s 100000 "$data/t10k-images-idx3-ubyte"
    run alone "$TRAIN" --data "$data" --steps 1
    refused 1 "t10k-images-idx3-ubyte"
}

# cracked MODE WORD DIGEST: hashcat finds the word behind the digest, after its self-test.
cracked() {
    local out=$BATS_TEST_TMPDIR/out home=$BATS_RUN_TMPDIR/hashcat
    mkdir -p "$home"
    # It keeps its kernels' binaries below XDG_CACHE_HOME, and takes all memory that it finds.
    HOME=$home XDG_CACHE_HOME=$home XDG_DATA_HOME=$home LIMIT_S=170 ON=cpu-1g \
        alone hashcat --force \
        --opencl-device-types 1 --potfile-disable --optimized-kernel-enable \
        --hash-type "$1" --attack-mode 3 "$3" '?l?l?l?d' >"$out" 2>&1 ||
        { cat "$out" && return 1; }
    cat "$out"
    grep -q 'Finished self-test' "$out"
    ! grep -qi 'self-test failed\|build failed\|clBuild\|CL_[A-Z_]*:' "$out"
    grep -Eq '^Status\.+: Cracked$' "$out"
    tr '\r' '\n' <"$out" | grep -q "$3:$2\$"
}

@test "hashcat cracks an MD5 mask" {
    need hashcat
    on_shared_storage_alone
    cracked 0 tes7 "$(printf tes7 | md5sum | cut -d' ' -f1)"
}

# bats test_tags=long
@test "hashcat cracks a SHA-256 mask" {
    need hashcat
    on_shared_storage_alone
    cracked 1400 tes7 "$(printf tes7 | sha256sum | cut -d' ' -f1)"
}

@test "clFFT: its client finds the transforms right" {
    need clFFT-client
    said_natively clFFT-client -x 256 >"$BATS_TEST_TMPDIR/native"
    alone clFFT-client -x 256 >"$BATS_TEST_TMPDIR/guest"
    diff -u "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/guest"
    grep -q 'Internal Client Test \*\*\*\*\*PASS\*\*\*\*\*' "$BATS_TEST_TMPDIR/guest"
}

# IEEE 802.11-2020, J.4.2: the first test case of the mapping of passphrases.
@test "wlangenpmkocl: a passphrase makes the standard's master key" {
    need wlangenpmkocl
    alone wlangenpmkocl -e IEEE -p password >"$BATS_TEST_TMPDIR/out"
    cat "$BATS_TEST_TMPDIR/out"
    grep -q 'f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e$' \
        "$BATS_TEST_TMPDIR/out"
}
