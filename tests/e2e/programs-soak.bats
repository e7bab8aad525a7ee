#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A short soak (tests/soak): the tool works, and tells when something is wrong.

load lib

setup() {
    BUILD=${TESSERA_BUILD:-$(realpath "$BATS_TEST_DIRNAME/../../build")}
    mkdir -p "$COMPILED"
    soak=(/usr/bin/python3 "$BATS_TEST_DIRNAME/../soak/soak.py" --build "$BUILD" --seed 1
        --cache "$COMPILED" --output "$BATS_TEST_TMPDIR/out")
}

@test "guests come, go and are killed for a quarter of a minute, and nothing is left of them" {
    "${soak[@]}" --minutes 0.25
    jq -e '.guests > 4 and .kills.guest + .kills.worker > 0' "$BATS_TEST_TMPDIR/out/soak.json"
}

@test "a soak whose manager dies has failed, and leaves no process" {
    local pid status=0 managers
    "${soak[@]}" --minutes 2 >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
    pid=$!
    for _ in {1..600}; do
        ! grep -q '0.0 of 2 min' "$BATS_TEST_TMPDIR/log" || break
        sleep 0.1
    done
    managers=$(pgrep -P "$pid" -x tesserad)
    kill -9 "$(head -n 1 <<<"$managers")"
    wait "$pid" || status=$?
    cat "$BATS_TEST_TMPDIR/log"
    [ "$status" -eq 1 ]
    grep -q 'manager has ended' "$BATS_TEST_TMPDIR/log"
    for pid in $managers; do
        ! kill -0 "$pid" 2>/dev/null || return 1
    done
}
