# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # lib.bash sets some, and the tests use others
#
# What the tests of suspend and resume share.

readonly EVERYTHING=tests/suspend/everything CHURN=tests/suspend/churn
# Rounds during one training: make check takes few, as it has no time.
readonly ROUNDS=${SUSPEND_ROUNDS:-3}
# Between two of many rounds it makes some tens of steps.
readonly TRAIN_STEPS=$((ROUNDS > 3 ? 20 * ROUNDS : 60))

# small_data FOLDER: the beginning of a data set, since all of its test images take seconds.
small_data() {
    [ -d /usr/share/datasets/fashion-mnist ] || return 0
    mkdir -p "$1"
    /usr/bin/python3 - "$1" <<'EOF'
import gzip, pathlib, sys
for part, count in (("train", 5000), ("t10k", 500)):
    for kind, head, item in (("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1)):
        name = f"{part}-{kind}-ubyte"
        with gzip.open(f"/usr/share/datasets/fashion-mnist/{name}.gz") as whole:
            begin = bytearray(whole.read(head + count * item))
        begin[4:8] = count.to_bytes(4, "big")
        pathlib.Path(sys.argv[1], name).write_bytes(begin)
EOF
}

# Once for NAME and NAME-discrete.
data_folder() {
    echo "$BATS_RUN_TMPDIR/suspend-data"
}

need_data() {
    [ -d /usr/share/datasets/fashion-mnist ] || skip "dataset-fashion-mnist is not installed"
}

# The training that is disturbed; it tells each step.
training() {
    echo "$TRAIN" --json --steps $TRAIN_STEPS --batch 10 --report 1 --seed 7 --data "$(data_folder)"
}

# What of its output must not depend on when it ran: losses and accuracy.
figures() {
    jq -c '[.event, .step, .steps, .loss, .accuracy]' "$1"
}

# step_of LOG
step_of() {
    sed -n 's/.*"event":"step","step":\([0-9]*\),.*/\1/p' "$1" | tail -n 1
}

# is_at LOG STEP: it has come so far, or is over.
is_at() {
    local step
    step=$(step_of "$1")
    [ "${step:-0}" -ge "$2" ] || says "$1" '"result"'
}

# start_fed LOG NAME PROGRAM...: its standard input is what is written to $feed.
start_fed() {
    local log=$1 name=$2
    shift 2
    feed=$log.feed
    mkfifo "$feed"
    # shellcheck disable=SC2016 # expanded in there
    start "$log" sh -c 'exec "$@" <>"$0"' "$feed" "$TESSERA" run "$name" -- "$@"
}

# Of `tessera run` that start_fed has started.
guest_of() {
    pgrep -P "$1"
}

is_suspended() {
    [ "$(of_vgpu "$1" .state)" = suspended ]
}

runs() {
    ! is_suspended "$1"
}

own_snapshot() {
    echo "$TESSERA_STATE_DIR/snapshots/$1.tessera"
}

# Nothing that only a suspended vGPU has.
no_snapshots() {
    [ -z "$(ls -A "$TESSERA_STATE_DIR/snapshots" 2>/dev/null)" ]
}

# churned LOG: how many rounds were verified so far.
churned() {
    sed -n 's/^verified //p' "$1" | tail -n 1
}

# churns_on LOG: it verifies more than it had.
churns_on() {
    local had
    had=$(churned "$1")
    within 20 more_than "$1" "$had"
}

more_than() {
    [ "$(churned "$1")" -gt "$2" ] 2>/dev/null
}

# start_churn LOG NAME OPTION...
start_churn() {
    local log=$1 name=$2
    shift 2
    start_fed "$log" "$name" "$BUILD/$CHURN" --pace 5 "$@"
    within 30 says "$log" "^verified [1-9]"
}

# ends_well LOG PID: told to end, it does, and has found nothing wrong.
ends_well() {
    echo >"$1.feed"
    ended_with 0 "$2" || { cat "$1" && return 1; }
    says "$1" checksum
}

# away NAME: suspends it, as is seen.
away() {
    timeout 60 "$TESSERA" suspend "$@"
    is_suspended "$1"
    [ "$(of_vgpu "$1" '.sessions | map(select(.worker_pid)) | length')" = 0 ]
}

# back NAME OPTION...
back() {
    timeout 60 "$TESSERA" resume "$@"
    runs "$1"
}
