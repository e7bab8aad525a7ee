#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# deps.sh [--check | --list] [GROUP...]
#
# Installs the Debian packages of scripts/packages.txt that are missing; with --check only
# names them (exit status 1 if there are any). Groups: the first column there; all by default.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() {
    printf 'deps: %s\n' "$*" >&2
}

# wanted [GROUP...]: the packages of these groups, one a line.
wanted() {
    awk -v groups="$*" '
        BEGIN { n = split(groups, g, " "); for (i = 1; i <= n; i++) want[g[i]] = 1 }
        /^[[:space:]]*(#|$)/ { next }
        n == 0 || ($1 in want) { print $2 }' "$here/packages.txt"
}

# missing PACKAGE...: those of them that are not installed.
missing() {
    local have
    have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^installed //p') || true
    comm -23 <(printf '%s\n' "$@" | sort -u) <(printf '%s\n' "$have" | sort -u)
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q -o Dpkg::Use-Pty=0 --no-install-recommends "$@" </dev/null
}

apt_update() {
    as_root apt-get update -q </dev/null
}

# known PACKAGE...: apt's lists have them all.
known() {
    local p
    for p in "$@"; do
        apt-cache show "$p" >/dev/null 2>&1 || return 1
    done
}

# Package lists may be absent (a fresh image) or old (a file that is gone): update once.
install() {
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        say "not root, and there is no sudo. As root run:"
        say "    apt-get update && apt-get install --no-install-recommends $*"
        return 1
    fi
    say "installing $*"
    if known "$@"; then
        apt_install "$@" || { apt_update && apt_install "$@"; }
    else
        apt_update && apt_install "$@"
    fi
}

main() {
    local mode=install packages lacking
    case "${1:-}" in
    --check) mode=check && shift ;;
    --list) mode=list && shift ;;
    -*) sed -n '4,7s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
    mapfile -t packages < <(wanted "$@")
    if [ "${#packages[@]}" -eq 0 ]; then
        say "no such group: $* (there are build, run and test)"
        exit 2
    fi
    if [ "$mode" = list ]; then
        printf '%s\n' "${packages[@]}"
        exit 0
    fi
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system: see scripts/packages.txt for what must be there"
        exit 0
    fi

    mapfile -t lacking < <(missing "${packages[@]}")
    [ "${#lacking[@]}" -eq 0 ] && exit 0
    if [ "$mode" = check ]; then
        say "missing: ${lacking[*]}"
        exit 1
    fi
    install "${lacking[@]}"
}

main "$@"
