#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# check-glibc.sh LIMIT FILE...: names what a program or library needs of a glibc beyond LIMIT
# (2.17); the exit status is 1 if there is anything.
set -euo pipefail

readonly LIMIT=$1
shift
bad=0

# versions FILE: "GLIBC_2.34 pthread_create", one a line, of all that it takes from elsewhere.
versions() {
    readelf -W --dyn-syms "$1" | awk '
        $7 == "UND" && split($8, part, "@+") == 2 && part[2] ~ /^GLIBC_/ { print part[2], part[1] }'
}

# beyond VERSION
beyond() {
    [[ $1 =~ ^GLIBC_[0-9.]+$ ]] || return 0
    [ "$(printf '%s\n' "${1#GLIBC_}" "$LIMIT" | sort -V | tail -n 1)" != "$LIMIT" ]
}

for file in "$@"; do
    needs=$(versions "$file")
    [ -n "$needs" ] || { echo "$file: takes nothing from glibc: is it a program at all?" && bad=1; }
    while read -r version name; do
        if beyond "$version"; then
            echo "$file: $name is of $version, beyond $LIMIT"
            bad=1
        fi
    done <<<"$needs"
done
exit "$bad"
