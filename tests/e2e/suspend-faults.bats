#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Damaged snapshots and random kills. Both have managers of their own.

load lib

setup() {
    BUILD=${TESSERA_BUILD:-$(realpath "$BATS_TEST_DIRNAME/../../build")}
    mkdir -p "$COMPILED"
    options=(--build "$BUILD" --compiled "$COMPILED" --seed "${SUSPEND_SEED:-1}")
}

# The unit tests cut and alter each section of a smaller one.
# bats test_tags=long
@test "snapshots that are cut or altered are refused, and leave nothing" {
    /usr/bin/python3 "$BATS_TEST_DIRNAME/../suspend/damage.py" "${options[@]}" \
        --flips "${SUSPEND_FLIPS:-20}" --cuts "${SUSPEND_CUTS:-20}"
}

@test "random kills while it is suspended and resumed lose nothing" {
    /usr/bin/python3 "$BATS_TEST_DIRNAME/../suspend/kills.py" "${options[@]}" \
        --rounds "${SUSPEND_KILLS:-4}"
}
