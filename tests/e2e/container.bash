# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests of real containers share: an image of a few programs, made of what is installed
# here, so that nothing is fetched.

rootfs_begin() {
    export ROOTFS=$BATS_FILE_TMPDIR/rootfs
    "$BATS_TEST_DIRNAME/../../scripts/guest-image.sh" "$ROOTFS" /bin/sh /bin/sleep /bin/rm \
        "$(command -v clinfo)" "$TRAIN" "$PROGRAMS"/fb_limit "$PROGRAMS"/guest_threads
}

# shellcheck disable=SC2034 # the files use it
# Where this machine has drivers of its own, and what those load.
readonly DRIVERS=(/etc/OpenCL/vendors/*.icd /usr/lib/*-linux-gnu /usr/lib/llvm-* /usr/share/pocl)

# Status 0 when containers can be made here; else says why not.
containers_problem() {
    if ! command -v "$1" >/dev/null; then
        echo "$1 is not installed"
    elif ! command -v clinfo >/dev/null; then
        echo "clinfo is not installed"
    elif [ "$(id -u)" -eq 0 ]; then
        unshare --mount --pid --net --fork true 2>/dev/null ||
            echo "this root may make no namespaces"
    else
        unshare --user --mount --map-root-user true 2>/dev/null ||
            echo "this user may make no user namespaces"
    fi
}

# with_mounts COMMAND...: in a mount namespace where engines find specifications in $CDI alone. crun
# refuses to run where version 2 of control groups has controllers beside version 1: it is shown
# version 1. Those who may change no mounts go without.
with_mounts() {
    if [ "$(id -u)" -ne 0 ]; then
        "$@"
        return
    fi
    mkdir -p /run/cdi
    # shellcheck disable=SC2016 # expanded in there
    unshare --mount --propagation slave sh -c '
        ! grep -qs . /sys/fs/cgroup/unified/cgroup.controllers || umount /sys/fs/cgroup/unified
        [ -z "$CDI" ] || mount --bind "$CDI" /run/cdi
        exec "$@"' with_mounts "$@"
}

# shellcheck disable=SC2154 # run sets them
# sees_vgpus N: what clinfo said in $output: Tessera's platform alone, with N devices.
sees_vgpus() {
    echo "status $status: $output"
    grep -Eq '^Number of platforms +1$' <<<"$output"
    grep -Eq '^  Platform Name +Tessera$' <<<"$output"
    grep -Eq "^Number of devices +$1\$" <<<"$output"
}

holds() {
    [ "$(of_vgpu "$1" .used_bytes)" -ge "$2" ]
}
