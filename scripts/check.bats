#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The checks themselves: each must be able to fail.

setup() {
    scripts=$BATS_TEST_DIRNAME
    tree=$BATS_TEST_TMPDIR
    mkdir -p "$tree/src/wire" "$tree/src/guest/opencl" "$tree/src/policy" "$tree/studies"
}

includes() {
    run /usr/bin/python3 "$scripts/check-includes.py" "$tree"
}

count() {
    run /usr/bin/python3 "$scripts/count.py" "$@"
}

@test "a layer may include itself, base and what is below it" {
    printf '#include "icd.h"\n#include "wire/ring.h"\n#include "base/err.h"\n' \
        >"$tree/src/guest/opencl/icd.c"
    printf '#include "api/opencl_stubs.h"\n#include <CL/cl.h>\n' >"$tree/src/guest/opencl/x.h"
    includes
    [ "$status" -eq 0 ]
}

@test "a layer may not include what is beside or above it" {
    echo '#include "worker/session.h"' >"$tree/src/wire/ring.c"
    includes
    [ "$status" -eq 1 ]
    [[ "$output" == *"src/wire/ring.c:1: wire may not include"* ]]
}

@test "a way out of the folder is refused" {
    echo '  #  include "../manager/state.h"' >"$tree/src/policy/types.c"
    includes
    [ "$status" -eq 1 ]
}

@test "the guest library may include no library but libc and OpenCL's headers" {
    echo '#include <jansson.h>' >"$tree/src/guest/opencl/icd.c"
    includes
    [ "$status" -eq 1 ]
}

@test "a function of a glibc beyond the limit is named" {
    echo 'int fcntl64(int, int, ...); int main(void) { return fcntl64(0, 1); }' >"$tree/x.c"
    cc -o "$tree/x" "$tree/x.c"
    run "$scripts/check-glibc.sh" 2.27 "$tree/x"
    [ "$status" -eq 1 ]
    [[ "$output" == *"$tree/x: fcntl64 is of GLIBC_2.28, beyond 2.27"* ]]
    run "$scripts/check-glibc.sh" 2.99 "$tree/x"
    [ "$status" -eq 0 ] && [ -z "$output" ]
}

@test "a workload sees nothing of Tessera" {
    echo '#include "base/err.h"' >"$tree/studies/train.c"
    includes
    [ "$status" -eq 1 ]
}

@test "a folder that has no rule is refused" {
    mkdir "$tree/src/new" && echo 'int x;' >"$tree/src/new/x.c"
    includes
    [ "$status" -eq 1 ]
}

@test "a folder without a README, or with a long one, is named" {
    touch "$tree/src/wire/ring.c" "$tree/src/policy/types.c"
    seq 16 >"$tree/src/policy/README.md"
    run "$scripts/check-readmes.sh" "$tree"
    [ "$status" -eq 1 ]
    [[ "$output" == *"src/wire: no README.md"* ]]
    [[ "$output" == *"src/policy/README.md: 16 lines"* ]]
}

@test "line length is counted in characters, not bytes" {
    printf '%.0sé' {1..100} >"$tree/good"
    printf '%.0sx' {1..101} >"$tree/bad"
    run /usr/bin/python3 "$scripts/check-source.py" columns "$tree/good"
    [ "$status" -eq 0 ]
    run /usr/bin/python3 "$scripts/check-source.py" columns "$tree/good" "$tree/bad"
    [ "$status" -eq 1 ]
    [[ "$output" == "$tree/bad:1: 101 columns, at most 100" ]]
}

@test "a file without a licence line is named" {
    echo 'int x;' >"$tree/x.c"
    run /usr/bin/python3 "$scripts/check-source.py" spdx "$tree/x.c"
    [ "$status" -eq 1 ]
}

@test "TAP is counted, and a test that never reported has failed" {
    printf '1..4\nok 1 a in 3ms\nnot ok 2 b\n# ok 9 a comment\nok 3 c # skip no GPU\n' >"$tree/tap"
    count tap "$tree/tap"
    [ "$output" = "1 2 1" ]
}

@test "in CI a skip for a missing package is a failure, another skip is not" {
    printf '1..2\nok 1 a # skip clpeak is not installed\nok 2 b # skip no GPU\n' >"$tree/tap"
    CI=false count tap "$tree/tap"
    [ "$output" = "0 0 2" ]
    CI=true count tap "$tree/tap"
    [[ "$output" == *"0 1 1" ]]
}

@test "meson's log is counted by result" {
    printf '{"name": "%s", "result": "%s"}\n' a OK b FAIL c SKIP d TIMEOUT e ERROR >"$tree/log"
    count meson "$tree/log"
    [ "$output" = "1 3 1" ]
}

@test "the package list is read by group" {
    run "$scripts/deps.sh" --list run
    [ "$status" -eq 0 ]
    [[ "$output" == *"pocl-opencl-icd"* ]]
    [[ "$output" != *"meson"* ]]
    run "$scripts/deps.sh" --list no-such-group
    [ "$status" -eq 2 ]
}
