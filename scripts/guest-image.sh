#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# guest-image.sh FOLDER [PROGRAM...]: makes FOLDER a container's root file system: these programs
# (a shell, clinfo and the trainer by default), and the libraries that they load, as they are
# installed here. Nothing is fetched; no GPU's driver is in it.
set -euo pipefail

readonly root=${1:?"usage: guest-image.sh FOLDER [PROGRAM...]"}
trainer=$(dirname "${BASH_SOURCE[0]}")/../build/studies/workloads/tessera-train

libraries_of() {
    ldd "$1" | grep -oE '/[^ ]+' | sort -u
}

shift
[ $# -gt 0 ] || set -- /bin/sh /bin/sleep /bin/ls "$(command -v clinfo)" "$trainer"
mkdir -p "$root"/{dev,etc,proc,root,run,sys,tmp,usr/bin}
for program in "$@"; do
    cp -L "$program" "$root/usr/bin/"
    libraries_of "$program" | xargs -r cp -L --parents --update -t "$root"
done
# Parts of glibc that every image has: what runs with older ones, too, names them.
libc=$(libraries_of /bin/sh | grep '/libc\.so\.6$')
cp -L --parents --update -t "$root" "${libc%/*}"/{libpthread.so.0,libdl.so.2}
[ -e "$root/bin" ] || ln -s usr/bin "$root/bin"
