#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Who connects to a vGPU's socket and does not speak its protocol is told why, and so is the
# administrator.

load lib

setup_file() {
    export TESSERA_BACKEND=fake
    e2e_begin
    "$TESSERA" create a --type $TYPE
}

teardown_file() {
    e2e_end
}

teardown() {
    programs_end
}

hello() {
    run timeout 20 /usr/bin/python3 "$BATS_TEST_DIRNAME/hello.py" \
        "$TESSERA_RUNTIME_DIR/vgpus/a/socket" "$@"
}

@test "a guest library of another protocol version is refused, saying so" {
    hello --version 9
    refused 1 "the guest library speaks protocol version 9" "speaks version 4" "one Tessera release"
    within 2 last_error_says "protocol version 9"
    "$TESSERA" show a | grep -q "protocol version 9"
    says "$MANAGER_LOG" "vGPU 'a'.*protocol version 9"
}

@test "one of another build is refused, saying so" {
    hello --fingerprint 1
    refused 1 "another build of protocol version 4"
    within 2 last_error_says "another build"
}

@test "what is no guest library at all is refused" {
    hello --magic 1
    refused 1 "no Tessera guest library"
    within 2 last_error_says "no Tessera guest library"
}

@test "half a hello holds nobody up" {
    hello --bytes 5
    within 5 sessions_are a 0
    on a "$PROGRAMS/fb_limit" hold 1 1 /nonexistent
}

@test "a guest sees no device behind a worker of another version, and does not hang" {
    local folder=$BATS_TEST_TMPDIR/a
    mkdir "$folder"
    start "$BATS_TEST_TMPDIR/log" /usr/bin/python3 "$BATS_TEST_DIRNAME/hello.py" \
        "$folder/socket" --serve --version 9
    within 10 test -S "$folder/socket"
    run env TESSERA_VGPU="$folder" OCL_ICD_VENDORS="$TESSERA_RUNTIME_DIR/icd" \
        timeout 20 "$PROGRAMS/fb_limit" hold 1 1 /nonexistent
    echo "$output"
    [ "$status" -eq 1 ]
}
