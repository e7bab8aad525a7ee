#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The worker's jail: for each promise of docs/security.md an attempt to break it, by a kernel
# that makes system calls (programs/jail_escape.c). The same attempt on the bare driver must
# come through, or the test would prove nothing.

bats_require_minimum_version 1.5.0
load lib

setup_file() {
    # Workers of a root's manager have users of their own, who must get to their folders.
    chmod o+x "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$(dirname "$BATS_FILE_TMPDIR")"
    export OWN_CACHES=1
    e2e_begin
    "$TESSERA" create a --type $TYPE
    "$TESSERA" create b --type $TYPE
}

teardown_file() {
    e2e_end
}

setup() {
    escape=$PROGRAMS/jail_escape
    unset started
}

# A test's own manager leaves with it, also when it fails.
teardown() {
    programs_end
    [ "$TESSERA_RUNTIME_DIR" = "$BATS_FILE_TMPDIR/run" ] ||
        timeout 30 "$TESSERA" shutdown --end >/dev/null 2>&1 || true
}

# allowed CALL...: natively it works.
allowed() {
    local answer
    answer=$(natively "$escape" "$@")
    echo "natively, $*: $answer"
    [ "$answer" = ok ]
}

# jailed ERROR CALL...: on the vGPU it is refused with this error.
jailed() {
    local want=$1 answer
    shift
    answer=$(on a "$escape" "$@")
    echo "on the vGPU, $*: $answer"
    [ "$answer" = "$want" ]
}

a_process_of_ours() {
    start "$BATS_TEST_TMPDIR/log" sleep 60
}

@test "a kernel can make system calls at all: the attempts below are real" {
    local log=$BATS_TEST_TMPDIR/pid
    start_on a "$log" "$PROGRAMS/guest_crash" wait
    within 20 says "$log" running
    kill -0 "$(worker_of a)"
    [ "$(on a "$escape" getpid)" -gt 1 ]
    jailed ok fcntl 0 3
}

@test "no sockets" {
    allowed socket 1 1 0 # AF_UNIX
    jailed ENOSYS socket 1 1 0
    allowed socket 2 1 0 # AF_INET
    jailed ENOSYS socket 2 1 0
}

@test "no signal to another process" {
    a_process_of_ours
    allowed kill "$started" 0
    jailed ENOSYS kill "$started" 0
    jailed ENOSYS kill "$(manager_pid)" 0
    jailed ENOSYS kill -1 0
    jailed ENOSYS tkill "$started" 0
    jailed ENOSYS fcntl 1 8 "$started" # F_SETOWN: a signal by way of a descriptor
}

@test "no look into another process" {
    a_process_of_ours
    allowed process_vm_readv "$started" 0 0 0 0 0
    jailed ENOSYS process_vm_readv "$started" 0 0 0 0 0
    allowed ptrace 16902 "$started" 0 0 # PTRACE_SEIZE
    jailed ENOSYS ptrace 16902 "$started" 0 0
}

@test "no process but one that is started and waited for, and none that leaves the worker's group" {
    allowed clone 17
    jailed ENOSYS clone 17                     # fork()
    jailed ENOSYS clone 0x10004111             # with a user namespace
    jailed ENOSYS setsid
}

# never_asked CALL...: whatever the kernel says natively, on the vGPU nobody asks it.
never_asked() {
    [ "$(natively "$escape" "$@")" != ENOSYS ] || skip "this kernel has no $1"
    jailed ENOSYS "$@"
}

@test "no namespaces, mounts and other users" {
    never_asked unshare 0x400
    never_asked mount s:none s:/mnt s:tmpfs 0 0
    never_asked setuid 0
}

@test "no keys, bpf and performance counters" {
    never_asked add_key s:user s:name s:value 5 -3
    never_asked bpf 0 0 0
    never_asked perf_event_open 0 0 -1 -1 0
}

@test "no io_uring and userfaultfd" {
    never_asked io_uring_setup 0 0
    never_asked userfaultfd 1
}

@test "no terminal is written to: an ioctl that is not a question" {
    jailed ENOSYS ioctl 0 0x5412 0 # TIOCSTI
    jailed ENOSYS prctl 4 1        # PR_SET_DUMPABLE
}

needs_landlock() {
    ! says "$MANAGER_LOG" "no Landlock" || skip "this kernel has no Landlock"
}

# openat: the folder (AT_FDCWD), a name, flags, mode.
readonly HERE=-100 CREATE=0x41 FOLDER=0x10000

@test "no files of the host are read" {
    needs_landlock
    local secret=$BATS_TEST_TMPDIR/secret
    echo secret >"$secret"
    chmod 644 "$secret"
    allowed openat $HERE "s:$secret" 0
    jailed EACCES openat $HERE "s:$secret" 0
    allowed openat $HERE s:/etc/passwd 0
    jailed EACCES openat $HERE s:/etc/passwd 0
    jailed EACCES openat $HERE "s:/proc/$(manager_pid)/environ" 0
    jailed EACCES openat $HERE "s:$TESSERA_STATE_DIR/vgpus/a.json" 0
    jailed ok openat $HERE s:/usr/bin/ld 0
}

@test "no files of the host by way of the compiler" {
    needs_landlock
    natively "$escape" include /etc/passwd >"$BATS_TEST_TMPDIR/native" 2>&1
    says "$BATS_TEST_TMPDIR/native" "passwd:1:1:"
    on a "$escape" include /etc/passwd >"$BATS_TEST_TMPDIR/guest" 2>&1
    [ "$(grep -c "passwd:1:1:" "$BATS_TEST_TMPDIR/guest")" = 0 ]
    says "$BATS_TEST_TMPDIR/guest" "/etc/passwd"
}

@test "nothing is written but in its own cache and temporary folder" {
    needs_landlock
    chmod 777 "$BATS_TEST_TMPDIR"
    allowed openat $HERE "s:$BATS_TEST_TMPDIR/native" $CREATE 0600
    jailed EACCES openat $HERE "s:$BATS_TEST_TMPDIR/guest" $CREATE 0600
    allowed mkdirat $HERE "s:$BATS_TEST_TMPDIR/native.d" 0700
    jailed EACCES mkdirat $HERE "s:$BATS_TEST_TMPDIR/guest.d" 0700
    jailed EACCES unlinkat $HERE "s:$BATS_TEST_TMPDIR/native" 0
    jailed ok mkdirat $HERE "s:$TESSERA_RUNTIME_DIR/cache/a/mine" 0700
}

@test "no other vGPU's cache is read or written" {
    needs_landlock
    local cache=$TESSERA_RUNTIME_DIR/cache
    [ "$(on b "$escape" getpid)" -gt 1 ]
    [ "$(stat -c %a "$cache/b")" = 700 ]
    jailed ok openat $HERE "s:$cache/a" $FOLDER
    jailed EACCES openat $HERE "s:$cache/b" $FOLDER
    jailed EACCES mkdirat $HERE "s:$cache/b/poison" 0700
}

@test "no program is started but the linker" {
    needs_landlock
    [ -z "$(natively "$escape" execve s:/bin/true 0 0)" ] # it took the place of ours
    jailed EACCES execve s:/bin/true 0 0
    jailed EACCES execve s:/bin/sh 0 0
}

sessions_leave_no_files() {
    [ -z "$(ls "$TESSERA_RUNTIME_DIR/tmp" "$TESSERA_RUNTIME_DIR/trash" | grep -v :)" ]
}

@test "temporary files go with the session, however it ends; caches with the vGPU" {
    local log=$BATS_TEST_TMPDIR/waits cache=$TESSERA_RUNTIME_DIR/cache
    "$TESSERA" create c --type $TYPE
    start_on c "$log" "$PROGRAMS/guest_crash" wait
    within 20 says "$log" running
    [ "$(stat -c %a "$TESSERA_RUNTIME_DIR/tmp/c.0")" = 700 ]
    kill -9 "$(worker_of c)"
    within 5 sessions_leave_no_files
    [ -d "$cache/c" ]
    "$TESSERA" delete c
    [ ! -e "$cache/c" ]
    within 5 sessions_leave_no_files
}

@test "programs of one owner share the cache of their ephemeral vGPUs" {
    local owner=$TESSERA_RUNTIME_DIR/cache/.owner-$(id -u)
    "$TESSERA" run --type $TYPE -- "$escape" getpid
    [ -n "$(ls "$owner")" ]
    [ "$(stat -c %a "$owner")" = 700 ]
}

group_is_gone() {
    ! pgrep -g "$1" >/dev/null
}

@test "no process outlives the session" {
    local worker log=$BATS_TEST_TMPDIR/waits
    start_on a "$log" "$escape" linger
    within 20 sessions_are a 1
    worker=$(worker_of a)
    two_processes() {
        [ "$(pgrep -g "$worker" | wc -l)" = 2 ]
    }
    within 20 two_processes
    kill -9 "$(program_of "$started")"
    within 5 group_is_gone "$worker"
    within 5 sessions_are a 0
}

# status_of PID FIELD
status_of() {
    awk -v field="$2:" '$1 == field { $1 = ""; print }' "/proc/$1/status" | xargs
}

@test "no capabilities, no way to new ones" {
    local worker log=$BATS_TEST_TMPDIR/waits
    start_on a "$log" "$PROGRAMS/guest_crash" wait
    within 20 says "$log" running
    worker=$(worker_of a)
    [ "$(status_of "$worker" CapEff)" = 0000000000000000 ]
    [ "$(status_of "$worker" CapPrm)" = 0000000000000000 ]
    [ "$(status_of "$worker" NoNewPrivs)" = 1 ]
    [ "$(status_of "$worker" Seccomp)" = 2 ]
}

@test "each vGPU's workers are a user of their own, ephemeral ones' their owner's" {
    [ "$(id -u)" = 0 ] || skip "only root's manager can give users"
    local first second
    first=$(on a "$escape" getuid)
    second=$(on b "$escape" getuid)
    [ "$first" -gt 70000 ]
    [ "$second" -gt 70000 ]
    [ "$first" != "$second" ]
    [ "$(on a "$escape" getuid)" = "$first" ]
    [ "$("$TESSERA" run --type $TYPE -- "$escape" getuid)" = \
        "$("$TESSERA" run --type $TYPE -- "$escape" getuid)" ]
    [ "$(stat -c %u "$TESSERA_RUNTIME_DIR/cache/a")" = "$first" ]
}

@test "in a container that has no users to give, workers run as its root" {
    unshare -Ur true 2>/dev/null || skip "no user namespaces here"
    local log=$BATS_TEST_TMPDIR/contained
    export TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/run TESSERA_STATE_DIR=$BATS_TEST_TMPDIR/state
    chmod o+x "$BATS_TEST_TMPDIR"
    unshare -Ur "$BUILD/tesserad" >"$log" 2>&1 3>&- &
    disown $!
    within 30 manager_serves
    says "$log" "cannot give them users of their own"
    "$TESSERA" create contained --type $TYPE
    [ "$(on contained "$escape" getuid)" = 0 ]
}

# runs_on_noexec FOLDER LOG COMMAND...: in a mount namespace of its own, with a manager.
runs_on_noexec() {
    local folder=$1 log=$2 rc=0
    shift 2
    mount -t tmpfs -o noexec,mode=755 none "$folder" || return 1
    "$BUILD/tesserad" >"$log" 2>&1 3>&- &
    within 30 manager_serves || return 1
    "$TESSERA" run --type $TYPE -- "$@" || rc=$?
    timeout 30 "$TESSERA" shutdown --end
    return $rc
}

@test "where nothing can be executed below the runtime folder, caches are in the state folder" {
    local apart=(unshare -Urm)
    [ "$(id -u)" != 0 ] || apart=(unshare -m)
    "${apart[@]}" true 2>/dev/null || skip "no mount namespaces here"
    local state=$BATS_TEST_TMPDIR/state
    export TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/noexec/run TESSERA_STATE_DIR=$state
    mkdir "$BATS_TEST_TMPDIR/noexec"
    chmod o+x "$BATS_TEST_TMPDIR"
    export TYPE
    export -f runs_on_noexec within now_ms manager_serves
    "${apart[@]}" bash -c 'runs_on_noexec "$@"' -- "$BATS_TEST_TMPDIR/noexec" \
        "$BATS_TEST_TMPDIR/log" "$PROGRAMS/guest_threads" 1 2
    [ -d "$state/cache/.owner-$(id -u)" ] || [ -d "$state/cache/.owner-0" ]
    [ -z "$(ls "$state/tmp")" ]
}

# starts_with_hidden_workers FOLDER N COMMAND...: a user's manager, N sessions one after the other.
starts_with_hidden_workers() {
    local folder=$1 n=$2 rc=0
    shift 2
    mount -t proc -o hidepid=2 proc /proc || return 1
    export HOME=$folder TESSERA_RUNTIME_DIR=$folder/run TESSERA_STATE_DIR=$folder/state
    # shellcheck disable=SC2016 # words of the inner shell
    setpriv --reuid 65534 --regid 65534 --clear-groups bash -c '
        "$BUILD/tesserad" --backend fake >"$HOME/log" 2>&1 3>&- &
        within 30 manager_serves && "$TESSERA" create a --type "$TYPE" || exit 1
        rc=0
        for ((i = 0; i < $1 && rc == 0; i++)); do
            "$TESSERA" run a -- "${@:2}" || rc=$?
        done
        timeout 30 "$TESSERA" shutdown --end
        exit $rc' -- "$n" "$@"
}

@test "a user's manager starts workers that /proc hides from it (hidepid)" {
    [ "$(id -u)" = 0 ] || skip "only root mounts /proc anew"
    unshare -m mount -t proc -o hidepid=2 proc /proc 2>/dev/null || skip "not here either"
    setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$BUILD/tesserad" ||
        skip "the build is hidden from other users"
    local folder=$BATS_TEST_TMPDIR/user
    mkdir -m 777 "$folder"
    chmod o+x "$BATS_TEST_TMPDIR"
    export TYPE
    export -f starts_with_hidden_workers within now_ms manager_serves
    unshare -m bash -c 'starts_with_hidden_workers "$@"' -- "$folder" 10 \
        "$PROGRAMS/fb_limit" says $FRAMEBUFFER 0
}

# restarts_while_held FOLDER USER HIDEPID: that user's manager dies, and starts again, while a
# program holds 100 MiB; FOLDER/during and FOLDER/after are what it tells of the vGPU then, and once
# the program has ended.
restarts_while_held() {
    local folder=$1 user=$2
    [ "$3" = 0 ] || mount -t proc -o "hidepid=$3" proc /proc || return 1
    export HOME=$folder TESSERA_RUNTIME_DIR=$folder/run TESSERA_STATE_DIR=$folder/state
    # shellcheck disable=SC2016 # words of the inner shell
    setpriv --reuid "$user" --regid "$user" --clear-groups bash -c '
        begin() {
            "$BUILD/tesserad" --backend fake >>"$HOME/log" 2>&1 3>&- &
            manager=$!
            within 30 manager_serves
        }
        nothing_is_held() {
            [ "$("$TESSERA" show a -o json | jq .used_bytes)" = 0 ]
        }
        begin && "$TESSERA" create a --type "$TYPE" || exit 1
        touch "$HOME/go"
        "$TESSERA" run a -- "$PROGRAMS/fb_limit" hold 100 1048576 "$HOME/go" \
            >"$HOME/held" 2>&1 &
        program=$!
        rc=0
        within 20 grep -q held "$HOME/held" || rc=1
        kill -9 $manager
        wait $manager
        begin || rc=1
        "$TESSERA" show a -o json >"$HOME/during"
        rm "$HOME/go"
        wait $program || rc=1
        within 5 nothing_is_held || rc=1
        "$TESSERA" show a -o json >"$HOME/after"
        timeout 30 "$TESSERA" shutdown --end
        exit $rc' 3>&-
}

# adopts_workers USER HIDEPID
adopts_workers() {
    [ "$(id -u)" = 0 ] || skip "only root is several users"
    unshare -m mount -t proc -o hidepid=2 proc /proc 2>/dev/null || skip "no mounts here"
    setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$BUILD/tesserad" ||
        skip "the build is hidden from other users"
    folder=$BATS_TEST_TMPDIR/user
    mkdir -m 777 "$folder"
    chmod o+x "$BATS_TEST_TMPDIR"
    export TYPE
    export -f restarts_while_held within now_ms manager_serves
    unshare -m bash -c 'restarts_while_held "$@"' -- "$folder" "$1" "$2"
    cat "$folder/log" "$folder/during"
    [ "$(jq .used_bytes "$folder/during")" -eq $((100 * MIB)) ]
    [ "$(jq '.sessions[0].adopted' "$folder/during")" = true ]
    [ "$(jq '.sessions | length' "$folder/after")" -eq 0 ]
}

@test "root's manager adopts workers that have users of their own" {
    adopts_workers 0 0
    run ! grep "left alone" "$folder/log"
}

@test "a user's manager adopts workers, whose program it cannot see" {
    adopts_workers 65534 0
    run ! grep "left alone" "$folder/log"
}

@test "what workers hold that /proc hides is not free when a user's manager starts again" {
    adopts_workers 65534 2
    says "$folder/log" "may be its worker, but /proc does not show it (hidepid)"
}

@test "no core dumps, few descriptors" {
    local log=$BATS_TEST_TMPDIR/waits
    start_on a "$log" "$PROGRAMS/guest_crash" wait
    within 20 says "$log" running
    cat "/proc/$(worker_of a)/limits" >"$BATS_TEST_TMPDIR/limits"
    says "$BATS_TEST_TMPDIR/limits" "Max core file size  *0  *0 "
    says "$BATS_TEST_TMPDIR/limits" "Max open files  *1024  *1024 "
}

# A manager with limits that a test can reach, and a vGPU $small: no other manager on this machine
# has control groups of that name.
begin_small() { # [OPTION OF TESSERAD...]
    small=small-$$
    ! says "$MANAGER_LOG" "no cgroups of our own" || skip "we may make no cgroups here"
    export TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/run TESSERA_STATE_DIR=$BATS_TEST_TMPDIR/state
    chmod o+x "$BATS_TEST_TMPDIR"
    "$BUILD/tesserad" --worker-memory 384m --worker-tasks 64 "$@" \
        >"$BATS_TEST_TMPDIR/small" 2>&1 3>&- &
    disown $!
    within 30 manager_serves
    "$TESSERA" create "$small" --type cpu-64m
}

@test "no more host memory than its vGPU may have" {
    allowed memory 800
    jailed ok memory 800
    begin_small
    [ "$(on "$small" "$escape" memory 100)" = ok ]
    run -1 on "$small" "$escape" memory 800
    [[ "$output" == *"killed by signal 9"* ]]
    [ "$(on "$small" "$escape" memory 100)" = ok ]
}

few_are_allowed() {
    [ "$(on "$small" "$escape" bomb 10)" = ok ]
}

@test "no more processes than its vGPU may have" {
    allowed bomb 200
    jailed ok bomb 200
    begin_small
    [ "$(on "$small" "$escape" bomb 200)" = EAGAIN ]
    within 20 few_are_allowed # once init has reaped those of before
}

# Throttled: it wanted more within a period than it was given.
was_throttled() { # GROUP
    [ "$(awk '$1 == "nr_throttled" { print $2 }' "$1/cpu.stat")" -gt 0 ]
}

@test "no more CPU time than its vGPU may have" {
    local group
    begin_small --worker-cpus 0.2
    [ "$(on "$small" "$escape" getpid)" -gt 1 ]
    group=$(find /sys/fs/cgroup -type d -path "*tessera-*/$small" \
        -exec test -e '{}/cpu.stat' \; -print -quit)
    [ -n "$group" ] || skip "we may make no CPU cgroup here"
    was_throttled "$group"
    within 20 is_left "$group" # its end takes CPU time too
    "$TESSERA" shutdown
    within 20 is_removed "$group"
    run -2 "$BUILD/tesserad" --worker-cpus 1,5
    [[ "$output" == *"worker-cpus"* ]]
}

is_left() { # GROUP
    [ -z "$(cat "$1/cgroup.procs")" ]
}

is_removed() {
    [ ! -e "$1" ]
}

@test "a vGPU's control groups go with it" {
    begin_small
    local group
    group=$(find /sys/fs/cgroup -type d -path "*tessera-*/$small" 2>/dev/null | head -1)
    [ -z "$group" ]
    [ "$(on "$small" "$escape" getpid)" -gt 1 ]
    group=$(find /sys/fs/cgroup -type d -path "*tessera-*/$small" 2>/dev/null | head -1)
    [ -n "$group" ]
    "$TESSERA" delete "$small"
    within 5 is_removed "$group" # its last process may be giving back its memory
}

@test "without a jail the same calls come through" {
    export TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/run TESSERA_STATE_DIR=$BATS_TEST_TMPDIR/state
    "$BUILD/tesserad" --jail none --worker-uid-base 0 >"$BATS_TEST_TMPDIR/free" 2>&1 3>&- &
    disown $!
    within 30 manager_serves
    "$TESSERA" create free --type $TYPE
    a_process_of_ours
    [ "$(on free "$escape" kill "$started" 0)" = ok ]
    [ "$(on free "$escape" socket 1 1 0)" = ok ]
    says "$BATS_TEST_TMPDIR/free" "workers are not jailed"
}
