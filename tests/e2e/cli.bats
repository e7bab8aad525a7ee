#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The commands as their user meets them: words, JSON, exit statuses.

load lib
bats_require_minimum_version 1.5.0

setup_file() {
    export TESSERA_BACKEND=fake
    e2e_begin
}

teardown_file() {
    e2e_end
}

teardown() {
    e2e_clean
}

tessera() {
    "$TESSERA" "$@"
}

# A manager of this test alone: other_manager FOLDER [OPTION...]
other_manager() {
    local folder=$1
    shift
    export TESSERA_RUNTIME_DIR=$folder/run TESSERA_STATE_DIR=$folder/state
    start "$folder/log" "$BUILD/tesserad" "$@"
    within 30 manager_serves
}

@test "version, help, and a command that is missing or unknown" {
    tessera version | grep -q '^tessera [0-9]'
    tessera version -o json | jq -e '.version == .manager'
    tessera --version | grep -q '^tessera [0-9]'
    tessera help | grep -q create
    tessera --help | grep -q create
    tessera create --help | grep -q -e --type
    run tessera
    refused 2 "tessera help"
    run tessera dance
    refused 2 "no command 'dance'"
}

@test "every command's mistakes are status 2 and say what is wrong" {
    run tessera gpus --colour
    refused 2 colour
    run tessera create
    refused 2 NAME
    run tessera create x
    refused 2 "--type"
    run tessera create x --type $TYPE --passthrough
    refused 2 "--passthrough"
    run tessera create x y --type $TYPE
    refused 2 "'y'"
    run tessera delete
    refused 2 NAME
    run tessera show
    refused 2 NAME
    run tessera list -o yaml
    refused 2 yaml
    run tessera gpu set gpu0
    refused 2 "--policy"
    run tessera gpu paint gpu0
    refused 2 paint
    run tessera run --type $TYPE
    refused 2 program
    run tessera run -- true
    refused 2 "--type"
    run tessera run --type $TYPE --count 0 -- true
    refused 2 "--count"
}

@test "gpus and types, as tables and as JSON" {
    tessera gpus | grep -q '^gpu0 '
    tessera gpus -o json | jq -e '.gpus[0] | .name == "gpu0" and .model == "cpu"
        and .kind == "software" and .memory_bytes == 2147483648 and .mode == "equal-size"'
    tessera types | grep -q "^$TYPE "
    tessera types gpu0 -o json | jq -e --arg t $TYPE '.types[] | select(.name == $t)
        | .framebuffer_bytes == 536870912 and .max_instances == 4 and .available == 4'
}

@test "a software GPU says which cores it runs on, and that it shares its storage" {
    tessera gpus -o json | jq -e '.gpus[0] | .storage == "shared" and (.cores_shared | not)
        and (.cores | length > 0)'
}

@test "create, list, show, delete" {
    tessera create train-0 --type $TYPE | grep -q train-0
    tessera list | grep -q "^train-0 .*$TYPE.*gpu0"
    tessera list -o json | jq -e '.vgpus | length == 1 and .[0].name == "train-0"'
    tessera show train-0 | grep -q "$TYPE"
    tessera show train-0 -o json | jq -e --arg t $TYPE '.name == "train-0" and .type == $t
        and .framebuffer_bytes == 536870912 and .used_bytes == 0 and .sessions == []'
    tessera create two --type $TYPE -o json | jq -e '.name == "two"'
    tessera delete train-0 two
    tessera list -o json | jq -e '.vgpus == []'
}

@test "delete all" {
    for name in a b c; do tessera create $name --type $TYPE; done
    tessera delete all
    tessera list -o json | jq -e '.vgpus == []'
}

@test "gpu set changes mode and placement" {
    tessera gpu set gpu0 --mode mixed-size --placement pack
    tessera gpus -o json | jq -e '.gpus[0] | .mode == "mixed-size" and .placement == "pack"'
    tessera gpu set gpu0 --mode equal-size --placement spread
    tessera gpus -o json | jq -e '.gpus[0] | .mode == "equal-size" and .placement == "spread"'
    run tessera gpu set gpu0 --mode sideways
    refused 1 sideways equal-size
    run tessera gpu set gpu7 --mode mixed-size
    refused 1 gpu7 gpu0
}

@test "unknown types, GPUs and vGPUs are named, with what there is" {
    run tessera create x --type cpu-17g
    refused 1 "cpu-17g" "cpu-512m"
    run tessera create x --type $TYPE --gpu gpu9
    refused 1 gpu9 gpu0
    run tessera types gpu9
    refused 1 gpu9
    run tessera show nobody
    refused 1 "nobody"
    run tessera delete nobody
    refused 1 "nobody"
    run tessera run nobody -- true
    refused 125 "nobody"
    run tessera run --type cpu-17g -- true
    refused 125 "cpu-17g"
}

@test "a name in use is refused" {
    tessera create a --type $TYPE
    run tessera create a --type $TYPE
    refused 1 "'a'" "tessera list"
    tessera list -o json | jq -e '.vgpus | length == 1'
}

@test "names that are no names are refused" {
    local name
    for name in A a_b a/b .. -- -a a- "a b" "" all é $'a\nb' "$(printf 'a%.0s' {1..49})"; do
        run tessera create --type $TYPE -- "$name"
        echo "[$name] $output"
        [ "$status" -eq 1 ]
    done
    tessera list -o json | jq -e '.vgpus == []'
    run tessera create all --type $TYPE
    refused 1 reserved
    run tessera create a_b --type $TYPE
    refused 1 "a_b" "a-z, 0-9"
    tessera create "$(printf 'a%.0s' {1..48})" --type $TYPE
}

@test "run returns the program's own status" {
    tessera create a --type $TYPE
    tessera run a -- true
    run tessera run a -- sh -c 'exit 42'
    [ "$status" -eq 42 ]
    run tessera run a -- sh -c 'kill -TERM $$'
    [ "$status" -eq 143 ]
    run tessera run a -- sh -c 'kill -9 $$'
    [ "$status" -eq 137 ]
    run tessera run --type $TYPE -- sh -c 'exit 3'
    [ "$status" -eq 3 ]
    run -127 tessera run a -- /nonexistent/program
    refused 127 /nonexistent/program
    run tessera run a -- /etc/passwd
    refused 126 /etc/passwd
}

@test "run with several names shows as many vGPUs, in that order" {
    tessera create a --type $TYPE
    tessera create b --type $TYPE
    run tessera run b,a -- sh -c 'echo "$TESSERA_VGPU"'
    [[ "$output" == */vgpus/b:*/vgpus/a ]]
    run tessera run a,a -- true
    refused 125 "'a'" twice
    run tessera run a,nobody -- true
    refused 125 nobody
    run tessera run a, -- true
    [ "$status" -eq 125 ]
}

@test "run passes words, input and output on as they are" {
    tessera create a --type $TYPE
    run tessera run a -- printf '[%s]' -o "a b" -- --type ''
    [ "$output" = "[-o][a b][--][--type][]" ]
    [ "$(echo word | tessera run a -- cat)" = word ]
}

@test "run sets what a program needs, and nothing that shows it another platform" {
    tessera create a --type $TYPE
    OCL_ICD_FILENAMES=/x run tessera run a -- sh -c \
        'echo "$TESSERA_VGPU $OCL_ICD_VENDORS $OCL_ICD_FILENAMES"'
    [ "$output" = "$TESSERA_RUNTIME_DIR/vgpus/a $TESSERA_RUNTIME_DIR/icd " ]
}

@test "run makes a vGPU that lives as long as the program" {
    tessera run --type $TYPE -- "$TESSERA" list -o json |
        jq -e '.vgpus | length == 1 and .[0].ephemeral'
    tessera list -o json | jq -e '.vgpus == []'
    tessera run --type $TYPE --count 3 -- sh -c 'echo "$TESSERA_VGPU"' | grep -q ':.*:'
    tessera list -o json | jq -e '.vgpus == []'
    run tessera run --type $TYPE --count 5 -- true
    refused 125 "vGPU 5 of 5" "in use"
    tessera list -o json | jq -e '.vgpus == []'
}

@test "a signal to run is the program's" {
    start "$BATS_TEST_TMPDIR/log" "$TESSERA" run --type $TYPE -- \
        sh -c 'trap "exit 7" TERM; echo up; while :; do sleep 0.05; done'
    within 10 says "$BATS_TEST_TMPDIR/log" up
    kill -TERM "$started"
    ended_with 7 "$started"
    tessera list -o json | jq -e '.vgpus == []'
}

@test "the control API answers curl" {
    local socket=$TESSERA_RUNTIME_DIR/control.sock
    curl -sf --unix-socket "$socket" http://localhost/v1/gpus | jq -e '.gpus[0].name == "gpu0"'
    curl -sf --unix-socket "$socket" -d "{\"name\": \"a\", \"type\": \"$TYPE\"}" \
        http://localhost/v1/vgpus | jq -e '.name == "a"'
    curl -s --unix-socket "$socket" -d '{"name": ' http://localhost/v1/vgpus |
        jq -e '.error.code == "bad-request"'
    curl -s --unix-socket "$socket" http://localhost/v1/vgpus/b |
        jq -e '.error.code == "not-found"'
    curl -sf --unix-socket "$socket" http://localhost/metrics | grep -q '^tessera_'
}

@test "no OpenCL device at all" {
    mkdir -p "$BATS_TEST_TMPDIR/none"
    TESSERA_BACKEND=opencl OCL_ICD_VENDORS=$BATS_TEST_TMPDIR/none \
        other_manager "$BATS_TEST_TMPDIR"
    run tessera gpus
    refused 0 "no OpenCL device" pocl-opencl-icd
    run tessera create a --type $TYPE
    refused 1 "no OpenCL device"
    run tessera run --type $TYPE -- true
    refused 125 "no OpenCL device"
    tessera shutdown --end
}

@test "a socket of somebody else is refused" {
    [ "$(id -u)" -eq 0 ] || skip "only root can make a socket of another user"
    local folder=$BATS_TEST_TMPDIR/other
    mkdir -p "$folder"
    chmod 711 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$folder" 2>/dev/null || true
    start "$BATS_TEST_TMPDIR/log" /usr/bin/python3 "$BATS_TEST_DIRNAME/foreign_socket.py" \
        "$folder/control.sock" 65534
    within 10 test -S "$folder/control.sock"
    within 10 says "$BATS_TEST_TMPDIR/log" listening
    TESSERA_RUNTIME_DIR=$folder run tessera gpus
    refused 1 "belongs to user 65534" refused
}

@test "a state file cut in half is set aside and named, the others load" {
    local folder=$BATS_TEST_TMPDIR file
    other_manager "$folder"
    for name in a b; do tessera create $name --type $TYPE; done
    tessera shutdown
    file=$folder/state/vgpus/a.json
    truncate -s $(($(stat -c %s "$file") / 2)) "$file"
    other_manager "$folder"
    tessera list -o json | jq -e '[.vgpus[].name] == ["b"]'
    says "$folder/log" "a.json"
    [ ! -e "$file" ]
    ls "$folder"/state/vgpus/a.json?*
    tessera create a --type $TYPE
    tessera shutdown --end
}

@test "the first command starts a manager, the next finds it" {
    unset TESSERA_NO_START
    export TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/run TESSERA_STATE_DIR=$BATS_TEST_TMPDIR/state
    local socket=$TESSERA_RUNTIME_DIR/control.sock pid
    tessera create a --type $TYPE
    pid=$(curl -sf --unix-socket "$socket" http://localhost/v1/status | jq .pid)
    tessera list -o json | jq -e '.vgpus | length == 1'
    [ "$(curl -sf --unix-socket "$socket" http://localhost/v1/status | jq .pid)" -eq "$pid" ]
    says "$TESSERA_RUNTIME_DIR/tesserad.log" "created"
    tessera shutdown --end
    is_gone "$pid"
    run tessera version
    [ "${#lines[@]}" -eq 1 ]
}

@test "two first commands at once end up with one manager" {
    unset TESSERA_NO_START
    export TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/run TESSERA_STATE_DIR=$BATS_TEST_TMPDIR/state
    local first second
    start "$BATS_TEST_TMPDIR/one" "$TESSERA" create a --type $TYPE
    first=$started
    start "$BATS_TEST_TMPDIR/two" "$TESSERA" create b --type $TYPE
    second=$started
    wait "$first"
    wait "$second"
    tessera list -o json | jq -e '.vgpus | length == 2'
    tessera shutdown --end
}

@test "two managers in one folder: the second leaves, saying why" {
    run timeout 20 "$BUILD/tesserad"
    [ "$status" -ne 124 ]
    [[ "$output" == *"$TESSERA_RUNTIME_DIR"* ]]
    manager_serves
}

@test "a wrong option of the manager is status 2" {
    run "$BUILD/tesserad" --software-gpus many
    refused 2 many
    run env TESSERA_SOFTWARE_MEMORY=1x "$BUILD/tesserad"
    [ "$status" -ne 0 ]
    [[ "$output" == *TESSERA_SOFTWARE_MEMORY* ]]
}

@test "several software GPUs, of their own cores while there are enough" {
    other_manager "$BATS_TEST_TMPDIR" --software-gpus 2 --software-memory 1g
    tessera gpus -o json | jq -e '.gpus | length == 2 and all(.memory_bytes == 1073741824)'
    if [ "$(nproc)" -ge 2 ]; then
        tessera gpus -o json |
            jq -e '.gpus | .[0].cores != .[1].cores and all(.cores_shared | not)'
    fi
    for name in a b; do tessera create $name --type $TYPE; done
    tessera list -o json | jq -e '[.vgpus[].gpu] | sort == ["gpu0", "gpu1"]'
    tessera shutdown --end
}
