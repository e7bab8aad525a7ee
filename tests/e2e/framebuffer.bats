#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The framebuffer: a hard limit, to the byte, of all programs of a vGPU together.

load lib

setup_file() {
    e2e_begin
}

teardown_file() {
    e2e_end
}

setup() {
    "$TESSERA" create a --type $TYPE
    go=$BATS_TEST_TMPDIR/go one=$BATS_TEST_TMPDIR/one two=$BATS_TEST_TMPDIR/two
}

teardown() {
    rm -f "$BATS_TEST_TMPDIR/go"
    e2e_clean
}


@test "512 x 1 MiB fit, not one byte more, and after a release again" {
    on a "$PROGRAMS/fb_limit" exact $FRAMEBUFFER $MIB
    within 1 used_is a 0
}

@test "few large buffers, or many odd ones, meet the same limit" {
    on a "$PROGRAMS/fb_limit" exact $FRAMEBUFFER $((FRAMEBUFFER / 2))
    on a "$PROGRAMS/fb_limit" exact $FRAMEBUFFER $FRAMEBUFFER
    on a "$PROGRAMS/fb_limit" exact $((1000003 * 536)) 1000003 && false
    on a "$PROGRAMS/fb_limit" hold 536 1000003 /nonexistent
}

@test "images and buffers draw on one framebuffer, to the byte" {
    on a "$PROGRAMS/guest_images" limit $FRAMEBUFFER
    within 1 used_is a 0
}

@test "a sub-buffer keeps its parent; what does not fit then is refused at once" {
    on a "$PROGRAMS/fb_limit" kept $FRAMEBUFFER 0
}

@test "the device says how much there is" {
    on a "$PROGRAMS/fb_limit" says $FRAMEBUFFER 0
}

@test "two programs that race share one limit and reach it exactly" {
    local sum
    start_on a "$one" "$PROGRAMS/fb_limit" race $MIB "$go"
    start_on a "$two" "$PROGRAMS/fb_limit" race $MIB "$go"
    within 20 says "$one" ready
    within 20 says "$two" ready
    touch "$go"
    within 20 grep -Eq '^[0-9]+$' "$one"
    within 20 grep -Eq '^[0-9]+$' "$two"
    sum=$(($(tail -n 1 "$one") + $(tail -n 1 "$two")))
    echo "$(tail -n 1 "$one") + $(tail -n 1 "$two")"
    [ "$sum" -eq 512 ]
    used_is a $FRAMEBUFFER
}

@test "two programs that make and release never exceed it, and all comes back" {
    local used most=0
    start_on a "$one" "$PROGRAMS/fb_limit" churn 3 1
    local first=$started
    start_on a "$two" "$PROGRAMS/fb_limit" churn 3 2
    local second=$started
    until is_gone "$first" && is_gone "$second"; do
        used=$(of_vgpu a '[.used_bytes, .reserved_bytes] | max')
        [ "$used" -le "$most" ] || most=$used
    done
    wait "$first" "$second"
    cat "$one" "$two"
    echo "most: $most"
    [ "$most" -gt 0 ]
    [ "$most" -le $FRAMEBUFFER ]
    on a "$PROGRAMS/fb_limit" exact $FRAMEBUFFER $MIB
}

@test "a killed program's memory is back within a second" {
    touch "$go"
    start_on a "$one" "$PROGRAMS/fb_limit" hold 512 $MIB "$go"
    within 20 says "$one" held
    used_is a $FRAMEBUFFER
    run on a "$PROGRAMS/fb_limit" hold 1 1 /nonexistent
    [ "$status" -eq 1 ]
    kill -9 "$(program_of "$started")"
    within 1 used_is a 0
    on a "$PROGRAMS/fb_limit" exact $FRAMEBUFFER $MIB
}

@test "another vGPU has a limit of its own" {
    touch "$go"
    "$TESSERA" create b --type $TYPE
    start_on a "$one" "$PROGRAMS/fb_limit" hold 512 $MIB "$go"
    within 20 says "$one" held
    on b "$PROGRAMS/fb_limit" exact $FRAMEBUFFER $MIB
}
