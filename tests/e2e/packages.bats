#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Packages: what is in them, that they install, and that what comes out of them works.

load lib

setup_file() {
    e2e_begin
    export TOP OUT=$BATS_FILE_TMPDIR/packages GUEST=$BATS_FILE_TMPDIR/guest
    export HOST=$BATS_FILE_TMPDIR/host SOURCE_DATE_EPOCH=$EPOCHSECONDS
    TOP=$(realpath "$BATS_TEST_DIRNAME/../..")
    "$TOP/packaging/package.sh" guest "$BUILD" "$OUT"
    "$TOP/packaging/package.sh" host "$BUILD" "$OUT"
    dpkg-deb -x "$OUT"/tessera-guest_*.deb "$GUEST"
    dpkg-deb -x "$OUT"/tessera_*.deb "$HOST"
}

teardown_file() {
    e2e_end
}

teardown() {
    e2e_clean
}

files_of() {
    dpkg-deb -c "$1" | awk '$1 !~ /^d/ { print $6 }' | sort
}

# field PACKAGE NAME
field() {
    dpkg-deb -f "$1" "$2"
}

# install_into FOLDER PACKAGE: by dpkg, with the maintainer scripts, into a system that has nothing.
install_into() {
    mkdir -p "$1/var/lib/dpkg/info" "$1/etc"
    touch "$1/var/lib/dpkg/status" "$1/etc/group" "$1/etc/passwd"
    PATH=/usr/sbin:/sbin:$PATH fakeroot dpkg --root="$1" --log=/dev/null --force-script-chrootless \
        --force-depends -i "$2"
}

@test "the guest package holds what a guest needs, and nothing else" {
    run files_of "$OUT"/tessera-guest_*.deb
    [ "$output" = "./etc/OpenCL/vendors/tessera.icd
./usr/bin/tessera-guest
./usr/lib/sysusers.d/tessera.conf
./usr/lib/tessera/icd/tessera.icd
./usr/lib/tessera/libtessera-opencl.so
./usr/lib/udev/rules.d/60-tessera.rules
./usr/share/doc/tessera-guest/changelog.Debian.gz
./usr/share/doc/tessera-guest/changelog.gz
./usr/share/doc/tessera-guest/copyright
./usr/share/man/man1/tessera-guest.1.gz" ]
    [ "$(cat "$GUEST/etc/OpenCL/vendors/tessera.icd")" = /usr/lib/tessera/libtessera-opencl.so ]
}

@test "the guest's tarball holds the same files, and no folder" {
    run tar -tzf "$(echo "$OUT"/tessera-guest_*.tar.gz)"
    [ "$(sed 's|^|./|' <<<"$output")" = "$(files_of "$OUT"/tessera-guest_*.deb)" ]
}

@test "the host package holds all that make install installs" {
    local wanted
    wanted=$(meson introspect --install-plan "$BUILD" | jq -r '.[][].destination' |
        sed -e 's|{prefix}|./usr|; s|{bindir}|./usr/bin|; s|{libexecdir}|./usr/libexec|' \
            -e 's|{datadir}|./usr/share|; s|{sysconfdir}|./etc|' \
            -e 's|\(/share/man/.*\)|\1.gz|' | sort)
    [ "$(wc -l <<<"$wanted")" -gt 15 ]
    [ "$(files_of "$OUT"/tessera_*.deb | grep -v /usr/share/doc/)" = "$wanted" ]
}

@test "the same tree gives the same bytes" {
    (umask 077 && "$TOP/packaging/package.sh" guest "$BUILD" "$BATS_TEST_TMPDIR")
    for file in "$BATS_TEST_TMPDIR"/tessera-guest_*; do
        cmp "$file" "$OUT/$(basename "$file")"
    done
    run dpkg-deb -c "$OUT"/tessera-guest_*.deb
    [ -z "$(grep -v ' root/root ' <<<"$output")" ]
}

@test "the guest package depends on a glibc of 2.17 or before, and on nothing else" {
    run field "$OUT"/tessera-guest_*.deb Depends
    [[ "$output" =~ ^libc6\ \(\>=\ (2\.[0-9]+)\)$ ]]
    [ "$(printf '%s\n' "${BASH_REMATCH[1]}" 2.17 | sort -V | tail -n 1)" = 2.17 ]
    "$TOP/scripts/check-glibc.sh" 2.17 "$GUEST/usr/lib/tessera/libtessera-opencl.so" \
        "$GUEST/usr/bin/tessera-guest"
    run readelf -d "$GUEST/usr/lib/tessera/libtessera-opencl.so" "$GUEST/usr/bin/tessera-guest"
    [ -z "$(grep NEEDED <<<"$output" | grep -vE '\[lib(c\.so\.6|pthread\.so\.0|dl\.so\.2)\]')" ]
}

@test "the host package's dependencies are its programs' libraries" {
    run field "$OUT"/tessera_*.deb Depends
    for package in libc6 libjansson4 libmicrohttpd12 libuv1 libseccomp2 libmimalloc2.0; do
        [[ "$output" == *"$package"* ]]
    done
}

@test "the guest package installs, makes its group, and goes again" {
    local root=$BATS_TEST_TMPDIR/root
    install_into "$root" "$OUT"/tessera-guest_*.deb
    grep -q '^tessera:' "$root/etc/group"
    PATH=/usr/sbin:/sbin:$PATH fakeroot dpkg --root="$root" --log=/dev/null \
        --force-script-chrootless -P tessera-guest
    [ ! -e "$root/usr/bin/tessera-guest" ]
    [ ! -e "$root/etc/OpenCL/vendors/tessera.icd" ]
}

@test "the host package installs, enables its service, and goes again" {
    local root=$BATS_TEST_TMPDIR/root
    install_into "$root" "$OUT"/tessera_*.deb
    grep -q '^tessera:' "$root/etc/group"
    [ -L "$root/etc/systemd/system/multi-user.target.wants/tesserad.service" ]
    PATH=/usr/sbin:/sbin:$PATH fakeroot dpkg --root="$root" --log=/dev/null \
        --force-script-chrootless -P tessera
    [ ! -e "$root/usr/bin/tesserad" ]
}

@test "Debian has no error to tell of the packages" {
    # It brings 124 others, and has to do with how Debian likes things: by hand, before a release.
    command -v lintian >/dev/null || skip "there is no lintian here"
    lintian --fail-on error --tag-display-limit 0 "$OUT"/*.deb
}

@test "systemd understands the unit, and what it starts is there" {
    command -v systemd-analyze >/dev/null || skip "the package systemd is missing"
    local unit=$BATS_TEST_TMPDIR/tesserad.service
    sed "s|^\(Exec[A-Za-z]*=-*\)/usr|\1$HOST/usr|" "$HOST/usr/lib/systemd/system/tesserad.service" \
        >"$unit"
    run systemd-analyze verify --man=no "$unit"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" != *tesserad.service* ]]
}

@test "the manager tells its service manager when it serves" {
    start "$BATS_TEST_TMPDIR/said" /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(30)
print(s.recv(100).decode())' "$BATS_TEST_TMPDIR/notify"
    within 10 test -S "$BATS_TEST_TMPDIR/notify"
    NOTIFY_SOCKET=$BATS_TEST_TMPDIR/notify TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/run \
        TESSERA_STATE_DIR=$BATS_TEST_TMPDIR/state TESSERA_BACKEND=fake \
        start "$BATS_TEST_TMPDIR/log" "$BUILD/tesserad"
    within 30 says "$BATS_TEST_TMPDIR/said" READY=1
    TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/run "$TESSERA" gpus
}

@test "after the service was stopped its control group passes nothing on" {
    local mount=$BATS_TEST_TMPDIR/cgroup group
    group=$mount/system.slice/tesserad.service
    mkdir -p "$group/tessera-1/a" "$group/.control"
    touch "$mount/cgroup.controllers" "$group/cgroup.subtree_control" \
        "$group/tessera-1/cgroup.subtree_control"
    echo 0::/system.slice/tesserad.service/.control >"$BATS_TEST_TMPDIR/self"
    "$HOST/usr/libexec/tessera/service-stopped" "$mount" "$BATS_TEST_TMPDIR/self"
    [ "$(cat "$group/cgroup.subtree_control")" = "-memory -pids -cpu" ]
    [ "$(cat "$group/tessera-1/cgroup.subtree_control")" = "-memory -pids -cpu" ]
}

@test "a domain starts only while the memory of its vGPUs is there" {
    local hook=$HOST/etc/libvirt/hooks/qemu.d/tessera xml=$BATS_TEST_TMPDIR/xml
    printf "<domain>\n  <shmem name='tessera-a' role='master'/>\n  <shmem name='glass'/>\n" >"$xml"
    export TESSERA_SHM=$BATS_TEST_TMPDIR
    run "$hook" vm1 prepare begin - <"$xml"
    refused 1 "vGPU a" "tesserad"
    run "$hook" vm1 release end - <"$xml"
    [ "$status" -eq 0 ]
    touch "$BATS_TEST_TMPDIR/tessera-a"
    run "$hook" vm1 prepare begin - <"$xml"
    [ "$status" -eq 0 ] && [ -z "$output" ]
}

# What comes out of the guest package, with a vGPU.

# As on a machine that the package is installed on: its .icd file names the library.
as_guest() {
    mkdir -p "$BATS_TEST_TMPDIR/icd"
    echo "$GUEST/usr/lib/tessera/libtessera-opencl.so" >"$BATS_TEST_TMPDIR/icd/tessera.icd"
    OCL_ICD_VENDORS=$BATS_TEST_TMPDIR/icd TESSERA_VGPU=$TESSERA_RUNTIME_DIR/vgpus/a "$@"
}

@test "clinfo finds the vGPU by the guest package's library" {
    "$TESSERA" create a --type $TYPE
    run as_guest timeout 60 clinfo
    [ "$status" -eq 0 ]
    [[ "$output" == *"Platform Name "*Tessera* ]]
    [[ "$output" == *"$FRAMEBUFFER (512MiB)"* ]]
}

@test "tessera-guest finds the vGPU, and says so" {
    "$TESSERA" create a --type $TYPE
    run as_guest "$GUEST/usr/bin/tessera-guest"
    [ "$status" -eq 0 ]
    [[ "$output" == *"vGPU "*"512 MiB"* ]]
    run as_guest "$GUEST/usr/bin/tessera-guest" -o json
    [ "$status" -eq 0 ]
    [ "$(jq -r '.vgpu, .way, .devices[0].memory_bytes' <<<"$output")" = \
        $'true\nprocess\n536870912' ]
}
