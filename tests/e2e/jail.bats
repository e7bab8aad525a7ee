#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The worker's jail: for each promise of docs/security.md an attempt to break it, by a kernel
# that makes system calls (programs/jail_escape.c). The same attempt on the bare driver must
# come through, or the test would prove nothing.

load lib

setup_file() {
    e2e_begin
    "$TESSERA" create a --type $TYPE
}

teardown_file() {
    e2e_end
}

setup() {
    escape=$PROGRAMS/jail_escape
    unset started
}

teardown() {
    programs_end
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

@test "no core dumps, few descriptors" {
    local log=$BATS_TEST_TMPDIR/waits
    start_on a "$log" "$PROGRAMS/guest_crash" wait
    within 20 says "$log" running
    cat "/proc/$(worker_of a)/limits" >"$BATS_TEST_TMPDIR/limits"
    says "$BATS_TEST_TMPDIR/limits" "Max core file size  *0  *0 "
    says "$BATS_TEST_TMPDIR/limits" "Max open files  *1024  *1024 "
}

@test "without a jail the same calls come through" {
    export TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/run TESSERA_STATE_DIR=$BATS_TEST_TMPDIR/state
    "$BUILD/tesserad" --jail none >"$BATS_TEST_TMPDIR/free" 2>&1 3>&- &
    disown $!
    within 30 manager_serves
    "$TESSERA" create free --type $TYPE
    a_process_of_ours
    [ "$(on free "$escape" kill "$started" 0)" = ok ]
    [ "$(on free "$escape" socket 1 1 0)" = ok ]
    e2e_clean
    says "$BATS_TEST_TMPDIR/free" "workers are not jailed"
}
