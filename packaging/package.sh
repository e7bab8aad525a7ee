#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# package.sh guest|host [BUILD [OUT]]: makes a Debian package of what was built in BUILD (build),
# and of the guest's files a tarball, too; into OUT (BUILD/packages). It needs no root, and the same
# tree gives the same bytes: times are SOURCE_DATE_EPOCH's, by default the last commit's.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")
readonly MAINTAINER=${TESSERA_MAINTAINER:-The Tessera authors <maintainers@tessera.example>}
# Programs that the rest does without.
readonly WORKLOADS='/tessera-(cad|language|office|train)$'

complain() {
    echo "package.sh: $*" >&2
    exit 1
}

# option NAME: of the build tree.
option() {
    meson introspect --buildoptions "$build" |
        /usr/bin/python3 -c 'import json, sys
print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == sys.argv[1]))' "$1"
}

check_tree() {
    local prefix
    [ -f "$build/build.ninja" ] || complain "$build is no build tree: run make first"
    prefix=$(option prefix)
    [ "$prefix" = /usr ] ||
        complain "$build is for $prefix, a package for /usr: meson configure $build -Dprefix=/usr"
}

# What git says a file is, whatever this user's umask.
modes() {
    find "$1" -type d -exec chmod 755 {} +
    find "$1" -type f ! -perm -u+x -exec chmod 644 {} +
    find "$1" -type f -perm -u+x -exec chmod 755 {} +
}

# stage FOLDER: the files as they lie on the machine.
stage() {
    local root=$1 tags=()
    [ "$kind" = host ] || tags=(--tags guest)
    DESTDIR=$root meson install -C "$build" --no-rebuild --quiet --strip "${tags[@]}"
    find "$root/usr/share/man" -type f -exec gzip -9n {} +
    document "$root/usr/share/doc/$package"
    modes "$root"
}

# document FOLDER
document() {
    mkdir -p "$1"
    {
        echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
        printf '\nFiles: *\n'
        sed -n 's/^Copyright (c) \(.*\)/Copyright: \1/p' "$top/LICENSE"
        echo "License: Expat"
        sed '1,/^Copyright/d; s/^$/./; s/^/ /' "$top/LICENSE" | sed '1d'
    } >"$1/copyright"
    gzip -9nc "$top/CHANGELOG.md" >"$1/changelog.gz"
    {
        printf 'tessera (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n' "$version"
        echo " -- $MAINTAINER  $(LC_ALL=C date -uR -d "@$SOURCE_DATE_EPOCH")"
    } | gzip -9nc >"$1/changelog.Debian.gz"
}

# programs FOLDER: what is compiled there.
programs() {
    local file
    find "$1" -type f \( -perm -u+x -o -name '*.so' \) | sort | while read -r file; do
        [ "$(head -c 4 "$file" | tail -c 3)" != ELF ] || echo "$file"
    done
}

# depend FOLDER: sets depends and recommends to the packages of the libraries that are used. What
# the workloads alone use is recommended, but for the OpenCL loader, which the workers need, too.
depend() {
    local found needed optional
    mapfile -t needed < <(programs "$1" | grep -Ev "$WORKLOADS")
    mapfile -t optional < <(programs "$1" | grep -E "$WORKLOADS" | sed 's/^/-e/')
    mkdir -p "$work/shlibdeps/debian"
    install -d -m 755 "$1/DEBIAN"
    printf 'Source: tessera\n\nPackage: %s\nArchitecture: any\n' "$package" \
        >"$work/shlibdeps/debian/control"
    found=$(cd "$work/shlibdeps" && dpkg-shlibdeps -O --warnings=1 "${needed[@]/#/-e}" \
        -dRecommends "${optional[@]}")
    depends=$(sed -n 's/^shlibs:Depends=//p' <<<"$found")
    recommends=$(sed -n 's/^shlibs:Recommends=//p' <<<"$found" |
        sed 's/ocl-icd-libopencl1[^,]*, //g')
    [ -n "$depends" ] || complain "dpkg-shlibdeps finds no dependency"
}

# control FOLDER: the package's own files.
control() {
    local to=$1/DEBIAN name kib text
    kib=$(find "$1/etc" "$1/usr" -type f -printf '%s\n' |
        awk '{ n += int(($1 + 1023) / 1024) } END { print n }')
    text=$(<"$here/debian/$package.control")
    text=${text//@VERSION@/"$version"} text=${text//@ARCH@/"$arch"} text=${text//@SIZE@/"$kib"}
    text=${text//@MAINTAINER@/"$MAINTAINER"} text=${text//@DEPENDS@/"$depends"}
    printf '%s\n' "${text//@RECOMMENDS@/"$recommends"}" >"$to/control"
    (cd "$1" && find etc -type f | sed 's|^|/|' | sort) >"$to/conffiles"
    (cd "$1" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$to/md5sums"
    for name in postinst prerm postrm; do
        [ ! -f "$here/debian/$package.$name" ] ||
            install -m 755 "$here/debian/$package.$name" "$to/$name"
    done
    chmod 644 "$to/control" "$to/conffiles" "$to/md5sums"
}

# Files alone: unpacked below /, it leaves the folders there as they are.
tarball() {
    (cd "$1" && find etc usr ! -type d -print0 | sort -z |
        tar --null --files-from=- --create --owner=0 --group=0 --numeric-owner \
            --mtime="@$SOURCE_DATE_EPOCH" --format=gnu) | gzip -9n >"$2"
}

main() {
    kind=${1:-}
    case $kind in
    guest) package=tessera-guest ;;
    host) package=tessera ;;
    *) sed -n '4,6s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
    build=$(realpath "${2:-$top/build}")
    out=$(realpath -m "${3:-$build/packages}")
    command -v dpkg-shlibdeps >/dev/null || complain "dpkg-shlibdeps is missing: install dpkg-dev"
    check_tree
    version=$(meson introspect --projectinfo "$build" |
        /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["version"])')-1
    arch=$(dpkg --print-architecture)
    export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null ||
        stat -c %Y "$top/CHANGELOG.md")}
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT

    mkdir -p "$out"
    stage "$work/root"
    depend "$work/root"
    if [ "$kind" = guest ]; then
        tarball "$work/root" "$out/${package}_${version}_$arch.tar.gz"
        echo "$out/${package}_${version}_$arch.tar.gz"
    fi
    control "$work/root"
    dpkg-deb --root-owner-group --build "$work/root" "$out/${package}_${version}_$arch.deb" \
        >/dev/null
    echo "$out/${package}_${version}_$arch.deb"
}

main "$@"
