#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# check.sh [--all]: checks turn.pml with spin: what holds, and that each mistake built in is found.
# Two gates are searched through, with one revoked turn; three, of which one dies, for some seconds.
# --all: two with a death, too, and three without that limit, which takes minutes and gigabytes.
# Exit status 77: there is no spin.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly MODEL=$here/turn.pml THREE_S=4 DEPTH=1000000
all=${1:-}

command -v spin >/dev/null || {
    echo "skip: spin is missing"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# make GCC-FLAGS SPIN-FLAGS...: builds ./pan.
make() {
    local flags
    read -ra flags <<<"$1"
    shift
    spin "$@" -a "$MODEL" >/dev/null
    gcc -w "${flags[@]}" -o pan pan.c
}

# search [FLAG...]: how many errors were found; fails when the search was cut short.
search() {
    ./pan -m"$DEPTH" "$@" >log 2>&1
    if grep -q 'max search depth too small' log; then
        return 1
    fi
    sed -n 's/.*errors: \([0-9]*\).*/\1/p' log
}

holds() {
    local what=$1 errors
    shift
    errors=$(search "$@") || errors=incomplete
    [ "$errors" = 0 ] || {
        echo "FAILED $what: $errors"
        tail -20 log
        exit 1
    }
    echo "ok $what ($(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' log | head -1) states)"
}

found() {
    local what=$1 errors
    shift
    errors=$(search "$@") || true
    [ "${errors:-0}" != 0 ] || {
        echo "FAILED: not found: $what"
        exit 1
    }
    echo "ok found: $what"
}

readonly SAFE='-O2 -DSAFETY -DNOCLAIM' LIVE='-O2 -DNFAIR=3'
# A mistake is found at once: a faster program would take seconds to compile.
readonly BUG_SAFE=${SAFE/-O2/-O0} BUG_LIVE=${LIVE/-O2/-O0}
readonly TWO=(-DGATES=2 -DDEATHS=0 -DREVOKES=0)

make "$SAFE" -DGATES=2 -DDEATHS=0 -DREVOKES=1
holds "two gates, one revoked turn: one holder, no dead end"
make "$LIVE" "${TWO[@]}"
holds "two gates: who wants a turn holds one again" -a -f
if [ "$all" = --all ]; then
    make "$SAFE" -DGATES=2 -DDEATHS=1 -DREVOKES=0
    holds "two gates, one dies: one holder, no dead end"
fi

make "$SAFE -DBITSTATE" -DGATES=3 -DDEATHS=1 -DREVOKES=1
if [ "$all" = --all ]; then
    holds "three gates, one dies, one revoked turn: one holder, no dead end" -w33
else
    timeout "$THREE_S" ./pan -m"$DEPTH" -w27 >log 2>&1 || true
    grep -q 'errors: [1-9]\|assertion violated\|invalid end state' log && {
        echo "FAILED: three gates"
        tail -20 log
        exit 1
    }
    echo "ok three gates, one dies, one revoked turn: no error within $THREE_S s"
fi

make "$BUG_SAFE" "${TWO[@]}" -DBUG_TAKES_EARLY
found "a gate that does not wait for the turn before its own"
make "$BUG_SAFE" "${TWO[@]}" -DBUG_NUMBER_FIRST
found "an offer whose number is written before its terms"
make "$BUG_SAFE" "${TWO[@]}" -DBUG_NO_COMPARE
found "a gate that sleeps without comparing the bells again"
make "$BUG_SAFE" "${TWO[@]}" -DBUG_NO_WAKE
found "a give-back that changes the word and wakes nobody"
make "$BUG_LIVE" "${TWO[@]}" -DBUG_NOT_CUT
found "a newcomer for whom an open turn is not cut" -a -f
make "$BUG_SAFE" -DGATES=2 -DDEATHS=1 -DREVOKES=0 -DBUG_BURIED_SILENTLY
found "a burial that does not ring for those who wait for the dead"
