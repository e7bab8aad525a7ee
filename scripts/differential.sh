#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# differential.sh [--count N] [--seed S] [--modes LIST] [OPTION...]
#
# Random sequences of OpenCL calls, natively and on a vGPU of a manager of its own; LIST is of
# shared, discrete (both kinds of software GPU) and two (two vGPUs in each context), all three
# unless told otherwise. Other options are compare.py's. Set BUILD for another build tree.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
BUILD=$(realpath "${BUILD:-build}")
count=1000 seed=1 modes=shared,discrete,two options=()
while [ $# -gt 0 ]; do
    case $1 in
    --count) count=$2 && shift ;;
    --seed) seed=$2 && shift ;;
    --modes) modes=$2 && shift ;;
    --help) sed -n '4,8s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) options+=("$1") ;;
    esac
    shift
done

dir=$(mktemp -d)
export TESSERA_RUNTIME_DIR=$dir/run TESSERA_STATE_DIR=$dir/state TESSERA_NO_START=1
# Both sides compile once: PoCL's cache is one for all.
export TESSERA_SHARE_CACHE=1 POCL_CACHE_DIR=${POCL_CACHE_DIR:-$dir/pocl}
unset OCL_ICD_VENDORS TESSERA_VGPU
manager=

manager_start() {
    mkdir -p "$POCL_CACHE_DIR"
    mkdir -m 700 "$TESSERA_RUNTIME_DIR" "$TESSERA_RUNTIME_DIR/cache"
    ln -s "$POCL_CACHE_DIR" "$TESSERA_RUNTIME_DIR/cache/.gpu0"
    "$BUILD/tesserad" >"$dir/tesserad.log" 2>&1 &
    manager=$!
    for _ in {1..300}; do
        ! "$BUILD/tessera" gpus >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    cat "$dir/tesserad.log" >&2
    return 1
}

manager_stop() {
    [ -n "$manager" ] || return 0
    timeout 30 "$BUILD/tessera" shutdown --end >/dev/null 2>&1 ||
        kill "$manager" 2>/dev/null || true
    wait "$manager" 2>/dev/null || true
    manager=
    rm -rf "$TESSERA_RUNTIME_DIR" "$TESSERA_STATE_DIR"
}

# shellcheck disable=SC2317 # the trap calls it
end() {
    manager_stop
    rm -rf "$dir"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# compare MODE DEVICES GUEST
compare() {
    /usr/bin/python3 tests/differential/compare.py --program "$BUILD/tests/differential/sequences" \
        --name "$1" --seed "$seed" --count "$count" --devices "$2" --guest "$3" "${options[@]}"
}

# run_mode MODE
run_mode() {
    local vgpus=1 status=0
    unset TESSERA_SOFTWARE_DISCRETE
    case $1 in
    shared) ;;
    discrete) export TESSERA_SOFTWARE_DISCRETE=1 ;;
    two) vgpus=2 ;;
    *) echo "differential.sh: no mode '$1'" >&2 && return 2 ;;
    esac
    manager_start
    compare "$1" "$vgpus" "$BUILD/tessera run --type cpu-512m --count $vgpus --" || status=$?
    manager_stop
    return "$status"
}

status=0
for mode in ${modes//,/ }; do
    run_mode "$mode" || status=$?
done
exit "$status"
