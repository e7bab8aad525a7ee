#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# check.sh [STAGE...]: builds and tests; without arguments every stage but lint and those -all.
#
#   build     compile everything          programs  real OpenCL programs on a vGPU
#   style     layout, layers, READMEs     asan      unit and e2e under ASan and UBSan
#   unit      unit tests                  tsan      rings and sessions under TSan
#   e2e       end-to-end tests            fuzz      all targets, FUZZ_SECONDS (21)
#   lint      clang-tidy                  tsan-all  unit and e2e under TSan
#   asan-all  as asan, with all e2e       programs-all  as programs, and what takes long
#   vm        virtual machines          vm-all    as vm, and what takes long
#   e2e-all   as e2e, with both of each pair
#   studies   each of the studies, quick: do they end, and is what they say plausible?
#   instructions   counts of the fast paths, against docs/results/instructions.json
#
# The last line is the sum over all runners: N passed, N failed, N skipped. With CI=true a
# skip for a missing package is a failure.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
readonly STAGES=(build style unit instructions e2e programs vm asan tsan fuzz studies)
readonly FUZZ_SECONDS=${FUZZ_SECONDS:-21}
# What a stage may take on two cores; a run of e2e tests is ended at five times that.
declare -rA BUDGET_S=([build]=240 [style]=60 [unit]=120 [instructions]=30 [e2e]=300 [programs]=300
    [asan]=240 [tsan]=120 [fuzz]=120 [lint]=600 [asan-all]=900 [tsan-all]=900
    [e2e-all]=600 [programs-all]=600 [vm]=240 [vm-all]=900 [studies]=120)
readonly SUMMARY=build/check-summary.txt

# Tests bring an environment of their own.
unset MAKEFLAGS MFLAGS MAKELEVEL OCL_ICD_VENDORS OCL_ICD_FILENAMES
unset TESSERA_RUNTIME_DIR TESSERA_STATE_DIR TESSERA_VGPU TESSERA_WORKER TESSERA_LOG
export LC_ALL=C.UTF-8
# What PoCL has compiled in one stage need not be compiled in the next; a run begins without.
export TESSERA_TEST_CACHE=$PWD/build/check-cache
exec </dev/null

passed=0 failed=0 skipped=0 stage='' asked=''

# add PASSED FAILED SKIPPED
add() {
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# one NAME COMMAND...: a check is one test; its output matters only when it fails.
one() {
    local name=$1 log
    shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        add 1 0 0
        echo "ok     $name"
    else
        add 0 1 0
        echo "FAILED $name"
        sed 's/^/    /' "$log"
    fi
    rm -f "$log"
}

skip() {
    add 0 0 1
    echo "skip   $*"
}

# tally KIND FILE STATUS: adds what a runner counted; one that failed and counted no failure
# is a failure by itself.
tally() {
    local counts
    counts=$(/usr/bin/python3 scripts/count.py "$1" "$2") || counts="0 1 0"
    read -ra counts <<<"$counts"
    [ "$3" -eq 0 ] || [ "${counts[1]}" -gt 0 ] || counts[1]=1
    add "${counts[@]}"
    echo "${counts[0]} passed, ${counts[1]} failed, ${counts[2]} skipped in this run"
}

# configure DIR [MESON-OPTION...]
configure() {
    [ -f "$1/build.ninja" ] || meson setup "$@"
}

# compile DIR [MESON-OPTION...]
compile() {
    configure "$@" && ninja -C "$1" --quiet
}

# built: the plain build tree is up to date, or the failure is counted.
built() {
    compile build >/dev/null 2>&1 || {
        one "$stage: build" compile build
        return 1
    }
}

# Checking undefined behaviour makes gcc warn about code that it inserted: no -Werror here.
# -O1 takes two thirds of the time to compile; lines alone (-g1) are what reports need.
compile_asan() {
    compile build-asan -Dwerror=false -Doptimization=1 -Db_sanitize=address,undefined \
        -Db_lundef=false -Ddebug=false '-Dc_args=-fno-sanitize-recover=all -g1'
}

configure_tsan() {
    configure build-tsan -Dwerror=false -Doptimization=1 -Db_sanitize=thread -Db_lundef=false \
        -Ddebug=false -Dc_args=-g1
}

# What stages after those of unit and e2e tests need is compiled in what these leave of the cores.
# The stages find it done, and are the ones that say what went wrong. Cores are shared between
# sessions, so that it is the session that has to be nice.
beside=
begin_beside() {
    local work=
    [[ $asked != *" asan "* ]] || work+="compile_asan; "
    [[ $asked != *" fuzz "* ]] || work+="scripts/fuzz.sh build; "
    work="echo 19 >/proc/self/autogroup; $(declare -f configure compile compile_asan); $work"
    nice -n 19 setsid bash -c "$work" >/dev/null 2>&1 &
    beside=$!
}

end_beside() {
    [ -n "$beside" ] || return 0
    kill -- "-$beside" 2>/dev/null
    wait "$beside" 2>/dev/null
    beside=
}
trap end_beside EXIT

# compile_tsan_tests PATTERN: they and what they need.
compile_tsan_tests() {
    local programs
    configure_tsan && ninja -C build-tsan --quiet build.ninja || return
    mapfile -t programs < <(program_tests build-tsan "$1" '.cmd[]' |
        sed -nE "s:^($PWD/build-tsan|\.)/::p" | sort -u)
    [ "${#programs[@]}" -eq 0 ] || ninja -C build-tsan --quiet "${programs[@]}"
}

compile_tsan() {
    configure_tsan && ninja -C build-tsan --quiet
}

# program_tests DIR PATTERN [FIELD]: unit tests whose name is like that and that run a program of
# ours; the others, and those of the suite `plain`, say the same under a sanitizer.
program_tests() {
    meson introspect "$1" --tests | jq -r --arg like "$2" '.[] | select(.name | test($like)) |
        select(.depends | any(endswith("@exe"))) |
        select(.suite | any(endswith("plain")) | not) | '"${3:-.name}"
}

# meson_tests DIR [NAME...]: unit tests, all or these.
meson_tests() {
    local dir=$1 log=$1/meson-logs/testlog.json status=0
    shift
    rm -f "$log"
    mkdir -p "$TESSERA_TEST_CACHE"
    POCL_CACHE_DIR=$TESSERA_TEST_CACHE meson test -C "$dir" --no-rebuild --print-errorlogs \
        --timeout-multiplier "${TIMEOUT_MULTIPLIER:-1}" "$@" || status=$?
    if [ -f "$log" ]; then
        tally meson "$log" "$status"
    else
        skip "$stage: no unit tests"
    fi
}

# bats_run BUILD OPTION... FILE...: they write to a file, not to a pipe, so that a process which
# they leave behind cannot hold us up.
bats_run() {
    local dir=$1 tap=$1/check-$stage.tap limit=$((BUDGET_S[$stage] * 5)) status=0 pid
    shift
    mkdir -p "$dir" && : >"$tap"
    TESSERA_BUILD=$PWD/$dir timeout --kill-after=10 "$limit" \
        "${BATS_ENV[@]}" bats --tap --timing "${TAGS[@]}" "$@" >"$tap" 2>&1 &
    pid=$!
    trap 'kill "$pid"; exit 130' INT TERM
    tail -n +1 -s 0.2 -f --pid="$pid" "$tap"
    wait "$pid" || status=$?
    trap - INT TERM
    [ "$status" -ne 124 ] || echo "ended after $limit s"
    tally tap "$tap" "$status"
}

# What looks at shares of time has the machine for itself.
readonly ALONE='/(sched|sched-ends|held-waits)\.bats$'
# Of the others as many at once: most wait more than they compute, but for real programs.
readonly JOBS=3
declare -rA FEWER_JOBS=([programs]=2 [programs-all]=2)

# in_order FILE...: NAME and NAME-discrete far from each other, so that the second finds compiled
# what both need; the shortest last.
in_order() {
    printf '%s\n' "$@" | grep -v -- '-discrete\.bats$' | sort -r
    printf '%s\n' "$@" | grep -- '-discrete\.bats$' | sort -r
}

# bats_tests BUILD FILE...: end-to-end tests against one build tree.
bats_tests() {
    local dir=$1 together alone
    shift
    if [ $# -eq 0 ]; then
        skip "$stage: no tests"
        return
    fi
    mapfile -t together < <(in_order "$@" | grep -vE "$ALONE")
    mapfile -t alone < <(printf '%s\n' "$@" | grep -E "$ALONE")
    if [ "${#together[@]}" -gt 1 ]; then
        bats_run "$dir" --jobs "${FEWER_JOBS[$stage]:-$JOBS}" --no-parallelize-within-files \
            "${together[@]}"
    else
        alone+=("${together[@]}")
    fi
    end_beside
    [ "${#alone[@]}" -eq 0 ] || bats_run "$dir" "${alone[@]}"
}
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-300} # seconds; a test that hangs has failed
BATS_ENV=(env)
TAGS=(--filter-tags '!long') # which tests to run
# Under a sanitizer not those that compute for long in one place that unit tests know.
readonly SANITIZER_TAGS=(--filter-tags '!long,!computes')

e2e_files() {
    find tests/e2e -maxdepth 1 -name '*.bats' ! -name 'programs-*' 2>/dev/null | sort
}

# Of each pair NAME and NAME-discrete one runs plainly and the other, which is one of these, under
# the sanitizers, for time (suspend and kills not even there); both in check-full. What is raw has
# no place there, so that both run plainly.
TWINS_UNDER_ASAN='/((api|compile|differential|extensions|guest|held|isolation|manager|multi'
TWINS_UNDER_ASAN+='|suspend)-discrete|events|framebuffer|hostile|kills-fake)\.bats$'
readonly TWINS_UNDER_ASAN

some_e2e_files() {
    e2e_files | grep -vE "$TWINS_UNDER_ASAN"
}

# Without those that look at the jail, which a sanitizer's own system calls do not fit in, and at
# how much memory the manager takes, which a sanitizer changes.
# What shares of time come to means nothing there either (sched), nor do packages of such a tree; an
# image has no sanitizer's runtime (container-*, suspend-container), and nothing can be preloaded
# before that (tessera-guest); what studies run besides is Python (study).
sanitizer_files() {
    e2e_files |
        grep -vE '/(jail|sched|held-waits|packages|hostile-(raw|raw-discrete|limits))\.bats$' |
        grep -vE '/(tessera-guest|study|container-.*|suspend-(container|faults))\.bats$'
}

# Of each pair the one that has not run plainly: half the time, and nearly all of the code. What is
# killed makes no report, be it with PoCL or the fake back end. What is saved and restored of each
# kind of object the unit tests know, too (suspend, suspend-discrete); suspend-cli has a manager of
# its own.
some_sanitizer_files() {
    local file twin without='/(kills|kills-fake|suspend|suspend-cli|suspend-discrete)\.bats$'
    for file in $(sanitizer_files | grep -vE "$without"); do
        twin=${file%.bats}-discrete.bats
        [[ $file != *-discrete.bats ]] || twin=${file%-discrete.bats}.bats
        [[ -e $twin && ! $file =~ $TWINS_UNDER_ASAN ]] || echo "$file"
    done
}

program_files() {
    find tests/e2e -path 'tests/e2e/programs/*.bats' -o -name 'programs-*.bats' 2>/dev/null |
        sort
}

# no_reports DIR: no sanitizer left a report there.
no_reports() {
    [ -z "$(find "$1" -type f -print -quit)" ] || { cat "$1"/* && return 1; }
}

stage_build() {
    one "build" compile build
}

stage_style() {
    local shell source
    mapfile -t shell < <(scripts/files.sh shell)
    mapfile -t source < <(scripts/files.sh source)
    one "layout (clang-format)" scripts/format.sh --check
    one "layers (#include)" /usr/bin/python3 scripts/check-includes.py
    one "folder READMEs" scripts/check-readmes.sh
    one "line length" /usr/bin/python3 scripts/check-source.py columns "${source[@]}"
    one "licence lines" /usr/bin/python3 scripts/check-source.py spdx "${source[@]}"
    one "shell scripts (shellcheck)" shellcheck "${shell[@]}"
    bats_tests build scripts/check.bats
}

stage_unit() {
    built && meson_tests build
}

# Status 77: they cannot be compared here, as the last line of the output says.
stage_instructions() {
    local status=0 log=build/instructions.log why
    built || return
    /usr/bin/python3 tests/instructions/instructions.py compare build \
        docs/results/instructions.json >"$log" 2>&1 || status=$?
    why=$(tail -n 1 "$log")
    if [ "$status" -eq 77 ] && [[ "${CI:-}" != true || "$why" != *"not installed" ]]; then
        skip "instructions: $why"
    else
        one "instructions of the fast paths" told "$status" "$log"
    fi
}

# told STATUS FILE: prints it, and ends like that.
told() {
    cat "$2"
    return "$1"
}

stage_e2e() {
    local files
    built || return
    mapfile -t files < <("${E2E_FILES:-some_e2e_files}")
    rm -rf build/calls
    BATS_ENV=(env "TESSERA_CALLS=$PWD/build/calls")
    bats_tests build "${files[@]}"
    BATS_ENV=(env)
    one "no call has lost its test" /usr/bin/python3 tests/calllog/table.py tested \
        build/tests/calllog/opencl-served.tsv docs/opencl-calls.md build/calls
}

stage_e2e-all() {
    KILL_ROUNDS=20 E2E_FILES=e2e_files stage_e2e
}

# What real programs call, compared call by call, is much alike on both kinds of GPU.
some_program_files() {
    program_files | grep -v '/programs-calllog-discrete\.bats$'
}

stage_programs() {
    local files
    built || return
    mapfile -t files < <("${PROGRAM_FILES:-some_program_files}")
    bats_tests build "${files[@]}"
}

stage_programs-all() {
    TAGS=()
    PROGRAM_FILES=program_files stage_programs
    TAGS=(--filter-tags '!long')
}

# The longest first.
readonly VM_TESTS=(vm machines programs libvirt hostile)

# vm_tests OPTION...: each file has a manager and machines of its own; two at once, since a machine
# that is emulated takes one core.
vm_tests() {
    local name taps=$PWD/build/check-vm
    built || return
    one "kernel and initramfs" /usr/bin/python3 tests/vm/image.py --build build build/vm
    one "all files of tests/vm are known" vm_tests_known
    rm -rf "$taps" && mkdir -p "$taps"
    # shellcheck disable=SC2016 # expanded in there
    xargs -P 2 -I {} bash -c 'vm_test "$@"' {} {} $((BUDGET_S[$stage] * 3)) "$taps" "$@" \
        < <(printf '%s\n' "${VM_TESTS[@]}") &
    trap 'kill "$!"; exit 130' INT TERM
    wait "$!"
    trap - INT TERM
    for name in "${VM_TESTS[@]}"; do
        echo "# tests/vm/test_$name.py"
        cat "$taps/$name"
        tally tap "$taps/$name" "$(cat "$taps/$name.status" 2>/dev/null || echo 0)"
    done
}

# vm_test NAME SECONDS FOLDER OPTION...: leaves what it prints in the folder.
vm_test() {
    local name=$1 seconds=$2 folder=$3
    shift 3
    timeout --kill-after=30 "$seconds" /usr/bin/python3 "tests/vm/test_$name.py" --build build \
        "$@" >"$folder/$name" 2>&1 || echo "$?" >"$folder/$name.status"
}
export -f vm_test

vm_tests_known() {
    diff <(printf 'tests/vm/test_%s.py\n' "${VM_TESTS[@]}" | sort) <(ls tests/vm/test_*.py)
}

stage_vm() {
    vm_tests
}

stage_vm-all() {
    vm_tests --full
}

readonly OWN_SIGNALS=handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:handle_sigill=0

# Guests are programs without a sanitizer that load an ICD with one: the runtime must be there
# first. Signals stay the program's own (a test may crash a worker on purpose), and reports go
# to files, since nobody reads what a background process prints.
stage_asan() {
    local files names reports=$PWD/build-asan/reports supp=$PWD/scripts/asan.supp
    end_beside # where it is asked for before the end-to-end tests
    one "build with ASan and UBSan" compile_asan
    [ -f build-asan/build.ninja ] || return
    mapfile -t names < <(program_tests build-asan .)
    LSAN_OPTIONS=suppressions=$PWD/scripts/lsan.supp:print_suppressions=0 \
        TIMEOUT_MULTIPLIER=4 meson_tests build-asan "${names[@]}"
    rm -rf "$reports" && mkdir -p "$reports"
    mapfile -t files < <("${ASAN_FILES:-some_sanitizer_files}")
    scripts/sanitizer-view.sh build-asan build-asan/view libasan.so
    BATS_ENV=(env TESSERA_JAIL=none "UBSAN_OPTIONS=log_path=$reports/ubsan"
        "ASAN_OPTIONS=log_path=$reports/asan:detect_leaks=0:suppressions=$supp:$OWN_SIGNALS")
    TAGS=("${SANITIZER_TAGS[@]}")
    bats_tests build-asan/view "${files[@]}"
    TAGS=(--filter-tags '!long')
    BATS_ENV=(env)
    one "no sanitizer report" no_reports "$reports"
}

stage_asan-all() {
    ASAN_FILES=sanitizer_files stage_asan
}

# tsan_tests PATTERN
tsan_tests() {
    local names
    [ -f build-tsan/build.ninja ] || return
    mapfile -t names < <(program_tests build-tsan "$1")
    if [ "${#names[@]}" -eq 0 ]; then
        skip "tsan: no such tests"
        return
    fi
    TIMEOUT_MULTIPLIER=4 meson_tests build-tsan "${names[@]}"
}

stage_tsan() {
    one "build with TSan" compile_tsan_tests "$TSAN_SOME"
    tsan_tests "$TSAN_SOME"
}
TSAN_SOME='arbiter|ring|channel|transport|session|rejoin|direct|wait|hold|mem|account|gate|guest'
TSAN_SOME+='|worker-(memory|table)|icd|watch|snapshot'
readonly TSAN_SOME="(^|[^a-z])($TSAN_SOME)"

# Drivers and interpreters are not instrumented: what they do among themselves is not told.
stage_tsan-all() {
    local files options reports=$PWD/build-tsan/reports
    one "build with TSan" compile_tsan
    tsan_tests .
    [ -x build-tsan/tessera ] || return
    rm -rf "$reports" && mkdir -p "$reports"
    scripts/sanitizer-view.sh build-tsan build-tsan/view libtsan.so
    mapfile -t files < <(sanitizer_files)
    # Without TSan's second of sleep at each exit: tests look at how soon a session is over.
    options=log_path=$reports/tsan:atexit_sleep_ms=0:$OWN_SIGNALS
    BATS_ENV=(env TESSERA_JAIL=none "TSAN_OPTIONS=$options:ignore_noninstrumented_modules=1")
    bats_tests build-tsan/view "${files[@]}"
    BATS_ENV=(env)
    one "no sanitizer report" no_reports "$reports"
}

# fuzz_all SECONDS TARGET...: each for so long, one on each core; told in order.
fuzz_all() {
    local seconds=$1 log=build-fuzz/logs cores i name pids=() status
    shift
    cores=$(nproc)
    mkdir -p "$log"
    trap 'kill "${pids[@]}"; exit 130' INT TERM
    for ((i = 0; i < $# + cores; i++)); do
        if ((i >= cores && i - cores < $#)); then
            name=$(basename "${@:i - cores + 1:1}") status=0
            wait "${pids[i - cores]}" || status=$?
            one "$name, $seconds s" told "$status" "$log/$name"
        fi
        if ((i < $#)); then
            name=$(basename "${@:i + 1:1}")
            scripts/fuzz.sh run "${@:i + 1:1}" "$seconds" >"$log/$name" 2>&1 &
            pids+=($!)
        fi
    done
    trap - INT TERM
}

# All of them together take FUZZ_SECONDS, or each of them where it is named so ("5 each").
stage_fuzz() {
    local targets seconds=${FUZZ_SECONDS% each}
    if [ ! -f tests/fuzz/meson.build ]; then
        skip "fuzz: no targets"
        return
    fi
    # For minutes faster programs are worth the time that they take to compile.
    [ "$seconds" = "$FUZZ_SECONDS" ] || export FUZZ_OPTIMIZATION=1
    one "build fuzz targets" scripts/fuzz.sh build
    mapfile -t targets < <(scripts/fuzz.sh build 2>/dev/null)
    [ "$seconds" != "$FUZZ_SECONDS" ] ||
        seconds=$(((FUZZ_SECONDS + ${#targets[@]} - 1) / ${#targets[@]}))
    fuzz_all "$seconds" "${targets[@]}"
    one "lines of the decoders that the corpus reaches" scripts/fuzz.sh coverage
}

# Times are not looked at: see studies/study/tests/plausible.py.
stage_studies() {
    local name names out=$PWD/build/check-studies
    built || return
    rm -rf "$out" && mkdir -p "$out"
    mapfile -t names < <(build/tessera study list -o json | jq -r 'keys_unsorted[]')
    [ "${#names[@]}" -gt 0 ] || one "studies are listed" false
    # shellcheck disable=SC2016 # expanded in there
    printf '%s\n' "${names[@]}" | TESSERA_STUDY_CACHE=$TESSERA_TEST_CACHE timeout --kill-after=30 \
        $((BUDGET_S[$stage] * 4)) xargs -P 3 -I {} bash -c '
            build/tessera study "$1" --quick --no-vms --quiet --out "$2" >"$2/$1.log" 2>&1
            echo $? >"$2/$1.status"' {} {} "$out"
    for name in "${names[@]}"; do
        one "study $name" told "$(cat "$out/$name.status" || echo 1)" "$out/$name.log"
        one "study $name is plausible" /usr/bin/python3 studies/study/tests/plausible.py \
            "$out/$name"
    done
}

stage_lint() {
    one "build" compile build
    one "clang-tidy" scripts/lint.sh build
}

run_stage() {
    local start=$SECONDS took
    stage=$1
    if [ "$(type -t "stage_$stage")" != function ]; then
        echo "check: no stage '$stage'" >&2
        exit 2
    fi
    printf '\n== %s ==\n' "$stage"
    "stage_$stage"
    took=$((SECONDS - start))
    printf -- '-- %s: %d s of %d s\n' "$stage" "$took" "${BUDGET_S[$stage]}"
    [ "$took" -le "${BUDGET_S[$stage]}" ] || echo "-- $stage: OVER ITS BUDGET"
}

main() {
    local s line
    [ $# -gt 0 ] || set -- "${STAGES[@]}"
    rm -rf "$SUMMARY" "$TESSERA_TEST_CACHE"
    asked=" $* "
    for s in "$@"; do
        [[ $s != unit || $asked != *" e2e "* ]] || begin_beside
        run_stage "$s"
    done
    line="$passed passed, $failed failed, $skipped skipped"
    mkdir -p build && echo "$line" >"$SUMMARY"
    printf '\n%s\n' "$line"
    [ "$failed" -eq 0 ]
}

main "$@"
