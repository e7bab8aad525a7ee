#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# suspend, resume, clone, send and receive as their user meets them, against a manager whose
# operations do what the vGPU's name says (fake_operations.py).

# shellcheck disable=SC2154 # start sets started
load lib
bats_require_minimum_version 1.5.0

readonly BYTES=3145742 # of what fake_operations.py calls a snapshot

setup() {
    export BUILD=${TESSERA_BUILD:-$(realpath "$BATS_TEST_DIRNAME/../../build")}
    export TESSERA=$BUILD/tessera TESSERA_NO_START=1
    export TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/run
    asked=$TESSERA_RUNTIME_DIR/operations.log
    there=$BATS_TEST_TMPDIR/there # another manager's
    fake "$TESSERA_RUNTIME_DIR"
    cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
    programs_end
}

# fake RUNTIME_DIR
fake() {
    start "$1.log" "$BATS_TEST_DIRNAME/fake_operations.py" "$1"
    within 10 env TESSERA_RUNTIME_DIR="$1" "$TESSERA" list >/dev/null
}

tessera() {
    "$TESSERA" "$@"
}

tessera_there() {
    TESSERA_RUNTIME_DIR=$there "$TESSERA" "$@"
}

# With signals as an interactive shell has them: bash has background processes ignore SIGINT.
start_tessera() {
    local log=$1
    shift
    start "$log" env --default-signal=INT "$TESSERA" "$@"
}

# was FILTER: true of all that was asked and heard.
was() {
    jq -se "$1" "$asked" >/dev/null || {
        cat "$asked"
        return 1
    }
}

# nothing_beside FILE: nor FILE itself.
nothing_beside() {
    run find . -name "$1*"
    [ "$output" = "" ]
}

@test "suspend-cli: mistakes are status 2 and say what is wrong" {
    local command
    for command in suspend resume clone send receive snapshot; do
        tessera $command --help | grep -q "^Usage: tessera $command"
        run tessera $command --colour
        refused 2 colour
        tessera help | grep -q "^  $command "
    done
    for command in suspend resume snapshot; do
        run tessera $command
        refused 2 missing
        run tessera $command a b
        refused 2 "'b'"
    done
    run tessera clone a
    refused 2 NEW
    run tessera send a
    refused 2 SOCKET
    run tessera receive
    refused 2 "--listen"
    run tessera receive there
    refused 2 "--listen" there
    run tessera receive - --listen x
    refused 2 "--listen"
    run tessera receive -
    refused 2 "--name"
    run tessera suspend a --to - -o json
    refused 2 stdout
    run tessera send a - -o json
    refused 2 stdout
    [ ! -e "$asked" ]
}

@test "suspend-cli: unknown names are refused, and nothing is left" {
    run tessera suspend nobody --to file
    refused 1 nobody "tessera list"
    nothing_beside file
    run tessera resume nobody
    refused 1 nobody "--from FILE"
    run tessera send nobody there
    refused 1 nobody
    [ ! -e "$asked" ]
}

@test "suspend-cli: to the manager's own file" {
    tessera suspend a | grep -q "^a: suspended, 3 MiB in $TESSERA_RUNTIME_DIR/state/snapshots/a"
    was '.[0] == {"ask": {"op": "suspend", "vgpu": "a"}, "descriptor": false}'
    tessera list | grep -q '^a .* suspended$'
    tessera show a | grep -q '^Snapshot  *: .*/a.tessera'
    run tessera run a -- true
    refused 125 suspended "tessera resume a"
    tessera resume a | grep -q '^a: cpu-512m on gpu0, 1 session$'
    was '.[1] == {"ask": {"op": "resume", "vgpu": "a"}, "descriptor": false}'
    tessera list | grep -q '^a .* running, 1 waiting$'
    tessera show a | grep -q 'Waiting For Its Program *: yes'
}

@test "suspend-cli: to a file, which takes its place when it is whole" {
    echo old >file
    tessera suspend a --to file -o json | jq -e --arg f "$PWD/file" '.vgpu.snapshot == $f
        and .bytes == '$BYTES' and has("event") == false'
    was '.[0].ask == {"op": "suspend", "vgpu": "a", "file": "'"$PWD"'/file", "confirm": true}'
    was '.[1].heard == {"event": "kept"}'
    [ "$(stat -c '%s %a' file)" = "$BYTES 600" ]
    run find . -name 'file.*'
    [ "$output" = "" ]
}

@test "suspend-cli: a link to a file stays one" {
    mkdir other
    ln -s other/file link
    touch other/file
    tessera suspend a --to link
    [ -L link ]
    [ "$(stat -c %s other/file)" = $BYTES ]
}

@test "suspend-cli: to pipes and stdout directly" {
    [ "$(tessera suspend a --to - | wc -c)" = $BYTES ]
    [ "$(tessera suspend b --to /dev/stdout | head -c 13)" = "fake snapshot" ]
    mkfifo pipe
    start log wc -c pipe
    tessera suspend changes --to pipe
    within 5 says log $BYTES
    [ -p pipe ]
    was 'all(.ask.file == null and .ask.confirm == null and .descriptor)'
}

@test "suspend-cli: what cannot be written to is said" {
    run tessera suspend a --to none/file
    refused 1 none/file "No such file"
    run tessera suspend a --to .
    refused 1 "Is a directory"
    [ ! -e "$asked" ]
    run bash -c '"$TESSERA" suspend a --to - | true; exit ${PIPESTATUS[0]}'
    refused 1 "Broken pipe"
}

@test "suspend-cli: what fails leaves the file that was there" {
    local name
    echo old >file
    for name in refuses dies chatters mumbles; do
        run tessera suspend $name --to file
        refused 1 "suspend '$name'"
        [ "$(cat file)" = old ]
    done
    run find . -name 'file.*'
    [ "$output" = "" ]
    run tessera suspend refuses
    [ "$output" = "tessera: suspend 'refuses': the vGPU is busy with a kernel" ]
    run tessera suspend chatters
    refused 1 "not JSON"
    run tessera suspend mumbles
    refused 1 "no event"
    run tessera suspend dies
    refused 1 "left in the middle" "tessera show dies"
    run tessera suspend dies --to new
    refused 1 "left in the middle" "goes on as before"
    nothing_beside new
}

@test "suspend-cli: refused after it was written, the snapshot is removed; kept when nobody knows" {
    run tessera suspend fails-late --to late
    refused 1 "state folder is full"
    nothing_beside late
    run tessera suspend dies-late --to unknown
    refused 1 "left in the middle" "tessera show dies-late"
    [ "$(stat -c %s unknown)" = $BYTES ]
}

@test "suspend-cli: Ctrl-C and SIGTERM hang up, and wait until all is as before" {
    local signal status
    for signal in INT:130 TERM:143 HUP:129; do
        start_tessera log suspend slow --to file
        within 5 test -e "$asked"
        sleep 0.2
        kill -"${signal%:*}" "$started"
        ended_with "${signal#*:}" "$started"
        cat log
        says log "called off"
        was '.[-1] == {"hung_up": "slow"}' # the end was waited for
        nothing_beside file
        rm "$asked"
    done
}

@test "suspend-cli: a second Ctrl-C does not wait" {
    start_tessera log suspend slowest
    within 5 test -e "$asked"
    sleep 0.2
    kill -INT "$started"
    sleep 0.2
    kill -INT "$started"
    ended_with 130 "$started"
    was 'all(has("hung_up") | not)'
}

@test "suspend-cli: a manager that is killed in the middle is noticed at once" {
    local manager=$started
    start_tessera log suspend slow
    within 5 test -e "$asked"
    kill -9 "$manager"
    within 2 is_gone "$started"
    ended_with 1 "$started"
    says log "left in the middle"
}

@test "suspend-cli: a bar on a terminal after a second, and none before or elsewhere" {
    local bar='\[[#.]*\].*pausing the programs'
    start_tessera log suspend slow
    sleep 1.5
    kill -INT "$started"
    ended_with 130 "$started"
    [ "$(cat log)" = "tessera: suspend 'slow': called off" ]
    run "$BATS_TEST_DIRNAME/terminal.py" 0.7 show signal:INT -- "$TESSERA" suspend slow
    [[ ! "$output" =~ $bar ]]
    run env NO_COLOR= "$BATS_TEST_DIRNAME/terminal.py" --raw until:pausing signal:INT -- \
        "$TESSERA" suspend slow
    [[ "$output" =~ pausing ]]
    [[ "$output" == *$'\e[32m'* ]]
    run env NO_COLOR=1 "$BATS_TEST_DIRNAME/terminal.py" --raw until:pausing show signal:INT -- \
        "$TESSERA" suspend slow
    [[ "$output" =~ $bar ]]
    [[ "$output" != *$'\e[32m'* ]]
}

@test "suspend-cli: a terminal is neither written to nor read from" {
    run "$BATS_TEST_DIRNAME/terminal.py" until:terminal: show -- "$TESSERA" suspend a --to -
    [[ "$output" == *"stdout is a terminal"*"status 1"* ]]
    run "$BATS_TEST_DIRNAME/terminal.py" until:terminal: show -- "$TESSERA" resume a --from -
    [[ "$output" == *"stdin is a terminal"*"status 1"* ]]
    run "$BATS_TEST_DIRNAME/terminal.py" until:terminal: show -- "$TESSERA" send a -
    [[ "$output" == *"stdout is a terminal"*"status 1"* ]]
}

@test "suspend-cli: resume from where it was suspended to" {
    tessera suspend a --to file
    tessera resume a
    was '.[-1].ask == {"op": "resume", "vgpu": "a", "file": "'"$PWD"'/file"} and .[-1].descriptor'
    tessera resume put-away --gpu gpu0
    was '.[-1].ask == {"op": "resume", "vgpu": "put-away", "gpu": "gpu0"}'
    was '.[-1].descriptor == false'
    run tessera resume moved
    refused 1 moved.snapshot "--from FILE"
    run tessera resume piped
    refused 1 "--from FILE"
    run tessera resume b
    refused 1 "not suspended"
}

@test "suspend-cli: resume from a file, stdin or a pipe makes a vGPU" {
    tessera suspend a --to file
    tessera resume x --from file -o json | jq -e '.vgpu.name == "x"'
    tessera resume y --from - <file
    was '.[-1] == {"ask": {"op": "resume", "vgpu": "y"}, "descriptor": true}'
    mkfifo pipe
    cat file >pipe &
    tessera resume z --from pipe
    tessera list | grep -q '^z '
    run tessera resume v --from none
    refused 1 none "No such file"
    run tessera resume v --from .
    refused 1 "folder"
    run tessera resume v --from "$BATS_TEST_FILENAME"
    refused 1 "no snapshot"
    head -c 1000 file >half
    run tessera resume v --from half
    refused 1 "cut"
}

@test "suspend-cli: clone tells how long the vGPU paused" {
    run tessera clone a c --gpu gpu0
    refused 0 "c: cpu-512m on gpu0, 1 session" "paused for 12 ms"
    was '.[0].ask == {"op": "clone", "vgpu": "a", "name": "c", "gpu": "gpu0"}'
    tessera clone a d -o json | jq -e '.paused_ms == 12'
    tessera suspend b --to "$TESSERA_RUNTIME_DIR/moved.snapshot"
    tessera clone moved e
    rm "$TESSERA_RUNTIME_DIR/moved.snapshot"
    run tessera clone moved f
    refused 1 "clone 'moved'" moved.snapshot
    run tessera clone refuses e
    refused 1 "clone 'refuses'" "busy with a kernel"
}

# receiver OPTION...: its socket is `socket`, and it is up.
receiver() {
    [ -S "$there/control.sock" ] || fake "$there"
    start received env --default-signal=INT TESSERA_RUNTIME_DIR="$there" "$TESSERA" receive \
        --listen socket "$@"
    receiver=$started
    within 5 test -S socket
}

@test "suspend-cli: send and receive" {
    receiver
    [ "$(stat -c %a socket)" = 600 ]
    run tessera send a socket
    refused 0 "'a' is sent" "tessera delete a"
    ended_with 0 "$receiver"
    says received "^a: cpu-512m on gpu0, 1 session"
    [ ! -e socket ]
    was '.[0].ask == {"op": "suspend", "vgpu": "a", "confirm": true} and .[1].heard.event == "kept"'
    tessera_there list | grep -q '^a .* waiting'
    tessera list | grep -q '^a .* suspended'
}

@test "suspend-cli: received under another name, on a GPU, as JSON" {
    receiver --name new --gpu gpu0 -o json
    tessera send b socket -o json 2>/dev/null | jq -e '.name == "b" and .state == "suspended"'
    ended_with 0 "$receiver"
    jq -e '.vgpu.name == "new"' received
    jq -se '.[0].ask == {"op": "resume", "vgpu": "new", "gpu": "gpu0"}' "$there/operations.log"
}

@test "suspend-cli: what the receiver cannot take goes on where it is" {
    receiver --name refuses
    run tessera send a socket
    refused 1 "busy with a kernel"
    ended_with 1 "$receiver"
    says received "busy with a kernel"
    tessera list | grep -q '^a .* running'
    was 'all(.heard == null)'
}

@test "suspend-cli: what is not suspended after all is deleted at the receiver" {
    receiver
    run tessera send fails-late socket
    refused 1 "state folder is full"
    ended_with 1 "$receiver"
    says received "goes on where it was"
    jq -se '.[-1] == {"deleted": "fails-late"}' "$there/operations.log"
}

@test "suspend-cli: a receiver does not delete when nobody knows" {
    receiver
    run tessera send dies-late socket
    refused 1 "left in the middle"
    ended_with 1 "$receiver"
    says received "did not say that it let go"
    jq -se 'all(has("deleted") | not)' "$there/operations.log"
}

@test "suspend-cli: a sender that is killed or called off leaves its vGPU running" {
    local signal
    for signal in KILL:137 INT:130; do
        receiver --name other
        start_tessera sent send slow socket
        within 5 test -e "$asked"
        sleep 0.3
        kill -"${signal%:*}" "$started"
        ended_with "${signal#*:}" "$started"
        ended_with 1 "$receiver"
        says received "cut"
        tessera list | grep -q '^slow .* running'
        run ! grep -q '^other ' <(tessera_there list)
    done
}

@test "suspend-cli: a receiver that is called off while it waits leaves nothing" {
    receiver
    kill -INT "$receiver"
    ended_with 130 "$receiver"
    [ ! -e socket ]
    run tessera send a socket
    refused 1 socket "tessera receive"
    [ ! -e "$asked" ]
}

@test "suspend-cli: a receiver waits on when somebody only looks, or is no sender" {
    receiver
    /usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("socket")'
    /usr/bin/python3 -c 'import socket
s = socket.socket(socket.AF_UNIX)
s.connect("socket")
s.sendall(b"GET / HTTP/1.0\n")
print(s.recv(100))' | grep "not from 'tessera send'"
    says received "refused"
    tessera send a socket
    ended_with 0 "$receiver"
}

@test "suspend-cli: a receiver listens neither on what is no socket, nor where somebody does" {
    run tessera_there receive --listen socket
    refused 1 "no manager serves $there"
    [ ! -e socket ]
    fake "$there"
    echo mine >taken
    run tessera_there receive --listen taken
    refused 1 taken "name another"
    [ "$(cat taken)" = mine ]
    receiver
    run tessera_there receive --listen socket
    refused 1 socket "in use"
}

@test "suspend-cli: another user's sender is refused, and so is another user's receiver" {
    [ "$(id -u)" -eq 0 ] || skip "needs root, to be somebody else"
    chmod 711 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" .. 2>/dev/null || true
    receiver
    chmod 666 socket
    run setpriv --reuid 65534 --clear-groups /usr/bin/python3 -c 'import socket
s = socket.socket(socket.AF_UNIX)
s.connect("socket")
print(s.recv(100))'
    refused 0 "user 65534"
    tessera send a socket
    ended_with 0 "$receiver"
    mkdir foreign
    start foreign.log /usr/bin/python3 "$BATS_TEST_DIRNAME/foreign_socket.py" foreign/socket 65534
    within 10 says foreign.log listening
    run tessera send b foreign/socket
    refused 1 "user 65534" refused
}

@test "suspend-cli: through a pipe" {
    fake "$there"
    tessera send a - 2>said | tessera_there receive - --name piped-here
    says said "tessera delete a"
    tessera_there list | grep -q '^piped-here '
    tessera list | grep -q '^a .* suspended'
    [ "$(tessera send a - | wc -c)" = $BYTES ] # again, as it is suspended already
    was '[.[] | select(.ask.op == "suspend")] | length == 1'
    receiver
    tessera send a socket
    ended_with 0 "$receiver"
    run tessera send piped -
    refused 1 "suspended already"
}

@test "suspend-cli: a pipe whose reader leaves is said, and the vGPU stays suspended" {
    run bash -c '"$TESSERA" send a - | head -c 10 >/dev/null; exit ${PIPESTATUS[0]}'
    refused 1 "Broken pipe" "tessera resume a"
    tessera resume a
}

@test "suspend-cli: a manager of an earlier version is named" {
    rm "$TESSERA_RUNTIME_DIR/operations.sock"
    run tessera suspend a
    refused 1 "earlier version" "tessera shutdown"
}

@test "suspend-cli: the operations' socket of another user is refused" {
    [ "$(id -u)" -eq 0 ] || skip "needs root, to be somebody else"
    chmod 711 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" .. 2>/dev/null || true
    rm "$TESSERA_RUNTIME_DIR/operations.sock"
    start foreign.log /usr/bin/python3 "$BATS_TEST_DIRNAME/foreign_socket.py" \
        "$TESSERA_RUNTIME_DIR/operations.sock" 65534
    within 10 says foreign.log listening
    run tessera suspend a
    refused 1 "belongs to user 65534"
}
