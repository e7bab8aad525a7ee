#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# tessera study: mistakes, the list, what is left when it is interrupted. What studies measure is
# the matter of the check's stage "studies".
#
# shellcheck disable=SC2154 # lib.bash sets started

load lib
bats_require_minimum_version 1.5.0

setup_file() {
    export BUILD=${TESSERA_BUILD:-$(realpath "$BATS_TEST_DIRNAME/../../build")}
    export TESSERA=$BUILD/tessera TESSERA_RUNTIME_DIR=$BATS_FILE_TMPDIR/run
    export TESSERA_STUDY_CACHE=$COMPILED
}

setup() {
    export TMPDIR=$BATS_TEST_TMPDIR/tmp
    mkdir "$TMPDIR"
    cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
    programs_end
    [ ! -e "$TESSERA_RUNTIME_DIR" ]
}

study() {
    "$TESSERA" study "$@"
}

# has_samples FOLDER N
has_samples() {
    [ "$(jq '.samples | length' "$1/results.json" 2>/dev/null || echo 0)" -ge "$2" ]
}

@test "study: what is asked, and what is none" {
    run -0 study list
    [[ $output == *"overhead "* ]]
    study list -o json | jq -e '.overhead | endswith("?")'
    run -64 study
    [[ $output == *"name a study"* ]]
    run -64 study nonesuch
    [[ $output == *"no study is named 'nonesuch'"*overhead* ]]
    run -64 study overhead --rounds none
    run -1 study report nowhere
    [[ $output == *nowhere/results.json* ]]
    run -0 study --help
    [[ $output == *--quick*results.json* ]]
}

@test "study: interrupted it keeps what it has, leaves nothing else, and says how to go on" {
    start "$BATS_TEST_TMPDIR/log" "$TESSERA" study overhead --quick --out out
    within 120 has_samples out/overhead 1
    # The study alone: what it started is in sessions of its own, out of Ctrl-C's way, too.
    kill -TERM "$started"
    ended_with 143 "$started"
    grep -q "goes on" "$BATS_TEST_TMPDIR/log"
    has_samples out/overhead 1
    [ -z "$(ls -A "$TMPDIR")" ]
    run -0 study report out/overhead
    grep -q '</html>' out/overhead/report.html
    # Other options do not go with what is there.
    run -1 study overhead --quick --rounds 3 --out out
    [[ $output == *"other options"*--again* ]]
}
