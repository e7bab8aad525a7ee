#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The commands that make vGPUs known to container engines. No container is made here.

load lib

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

setup() {
    tessera create a --type $TYPE
    bundle=$BATS_TEST_TMPDIR/bundle
    mkdir "$bundle"
    echo '{"ociVersion": "1.0.2", "process": {"args": ["true"], "env": ["PATH=/bin"]}}' \
        >"$bundle/config.json"
}

@test "mistakes are status 2" {
    run tessera cdi a
    refused 2 "'a'"
    run tessera cdi --install --file x
    refused 2 "--install"
    run tessera oci-edit "$bundle"
    refused 2 NAME
    run tessera container-args
    refused 2 NAME
}

@test "cdi describes each vGPU, and what it names is there" {
    local path
    tessera create b --type $TYPE
    tessera cdi | jq -e '.kind == "tessera.dev/vgpu" and .cdiVersion == "0.3.0"
        and ([.devices[].name] == ["a", "b", "all"])'
    for path in $(tessera cdi | jq -r '.. | .hostPath? // empty'); do
        echo "$path"
        [ -e "$path" ]
    done
    [ -S "$(tessera cdi | jq -r '.devices[0].containerEdits.mounts[0].hostPath')/socket" ]
}

@test "the loader file that containers see names the library that they see" {
    local spec
    spec=$(tessera cdi)
    [ "$(cat "$(jq -r '.containerEdits.mounts[1].hostPath' <<<"$spec")/tessera.icd")" = \
        "$(jq -r '.containerEdits.mounts[0].containerPath' <<<"$spec")" ]
}

@test "cdi writes a file" {
    local file=$BATS_TEST_TMPDIR/cdi.json
    run tessera cdi --file "$file"
    [ "$output" = "$file: a, all" ]
    [ "$(cat "$file")" = "$(tessera cdi)" ]
    tessera cdi --file "$file" -o json | jq -e '.devices == ["a", "all"]'
    [ "$(stat -c %a "$file")" = 644 ]
    run tessera cdi --file /nonexistent/cdi.json
    refused 1 "/nonexistent/cdi.json" "No such file"
}

@test "cdi without a vGPU for containers fails, and says what helps" {
    tessera delete a
    run tessera cdi
    refused 1 "tessera create"
    tessera create p --passthrough
    run tessera cdi
    refused 1 "left out: 'p' is passthrough" "tessera create"
}

@test "cdi leaves out what is gone with its program" {
    tessera run --type $TYPE -- "$TESSERA" cdi | jq -e '[.devices[].name] == ["a", "all"]'
}

# With an /etc of its own: the machine's is left alone.
with_empty_etc() {
    unshare --mount sh -c 'mount -t tmpfs none /etc && eval "$1"' sh "$1"
}

@test "cdi --install writes where engines look, and removes what no vGPU is left of" {
    [ "$(id -u)" -eq 0 ] && unshare --mount true || skip "only root may mount a folder on /etc"
    run with_empty_etc '"$TESSERA" cdi --install && cat /etc/cdi/tessera.json'
    [ "${lines[0]}" = "/etc/cdi/tessera.json: a, all" ]
    jq -e '.devices | length == 2' <<<"${output#*$'\n'}"
    run with_empty_etc '"$TESSERA" cdi --install && "$TESSERA" delete a &&
        "$TESSERA" cdi --install && ls -A /etc/cdi'
    echo "$output"
    [ "${#lines[@]}" -eq 2 ]
    [ "${lines[1]}" = "/etc/cdi/tessera.json: removed, there is no vGPU for containers" ]
}

@test "oci-edit edits a bundle once" {
    local once=$BATS_TEST_TMPDIR/once
    chmod 640 "$bundle/config.json"
    tessera oci-edit "$bundle" a
    jq -e '.process.args == ["true"] and (.process.env | length == 2) and (.mounts | length == 4)' \
        "$bundle/config.json"
    [ "$(stat -c %a "$bundle/config.json")" = 640 ]
    cp "$bundle/config.json" "$once"
    tessera oci-edit "$bundle" a -o json | jq -e --arg f "$bundle/config.json" '.file == $f'
    cmp "$bundle/config.json" "$once"
}

@test "oci-edit refuses what is no bundle, and leaves it alone" {
    run tessera oci-edit "$BATS_TEST_TMPDIR" a
    refused 1 "config.json" "crun spec"
    echo '{"ociVersion": "1.0.2"}' >"$bundle/config.json"
    run tessera oci-edit "$bundle" a
    refused 1 "$bundle/config.json" process
    [ "$(cat "$bundle/config.json")" = '{"ociVersion": "1.0.2"}' ]
    run tessera oci-edit "$bundle" nobody
    refused 1 nobody "tessera list"
}

@test "container-args prints options, for shells and for programs" {
    local folder=$TESSERA_RUNTIME_DIR/vgpus/a/container
    [[ " $(tessera container-args a) " == *" -v $folder:/run/tessera-guest/a:ro "* ]]
    tessera container-args a -o json |
        jq -e --arg v "$folder:/run/tessera-guest/a:ro" 'length == 10 and any(. == $v)'
    run tessera container-args nobody
    refused 1 nobody
}

@test "a passthrough vGPU is refused with what to do in its place" {
    tessera delete a
    tessera create p --passthrough
    run tessera container-args p
    refused 1 "'p' is passthrough" "--cpuset-cpus"
    run tessera oci-edit "$bundle" p
    refused 1 "'p' is passthrough"
}

@test "the sockets for containers go with their vGPUs, and come back with the manager" {
    local folder=$TESSERA_RUNTIME_DIR/vgpus/a
    [ -S "$folder/container/socket" ]
    kill -9 "$(manager_pid)"
    manager_start
    [ -S "$folder/container/socket" ]
    tessera delete a
    [ ! -e "$folder" ]
}

# The way to it is closed to others; who is in a container has been shown the folder.
@test "the socket for containers asks nobody who they are, the other one does" {
    [ "$(id -u)" -eq 0 ] || skip "only root can be another user"
    local folder=$TESSERA_RUNTIME_DIR/vgpus/a
    mkdir "$BATS_TEST_TMPDIR/icd"
    echo "$BUILD/libtessera-opencl.so" >"$BATS_TEST_TMPDIR/icd/tessera.icd"
    connect() {
        setpriv --reuid 65534 --regid 65534 --clear-groups \
            env OCL_ICD_VENDORS="$BATS_TEST_TMPDIR/icd" \
            TESSERA_VGPU="$1" "$PROGRAMS/fb_limit" hold 1 1 /nonexistent
    }
    chmod o+x "$BATS_RUN_TMPDIR"{,/test,/file} "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" \
        "$TESSERA_RUNTIME_DIR"
    chmod o+rx "$BATS_TEST_TMPDIR/icd"
    chmod o+r "$BATS_TEST_TMPDIR/icd/tessera.icd"
    run connect "$folder/container"
    refused 1 "Permission denied"
    chmod 711 "$folder"
    run connect "$folder"
    refused 1 "belongs to another user"
    run connect "$folder/container"
    [ "$status" -eq 0 ]
}

# The manager must not be led elsewhere by what a vGPU's owner makes of their folder.
@test "a link in the place of the containers' folder is not followed" {
    local folder=$TESSERA_RUNTIME_DIR/vgpus/a elsewhere=$BATS_TEST_TMPDIR/elsewhere
    mkdir "$elsewhere"
    kill -9 "$(manager_pid)"
    rm -r "$folder/container"
    ln -s "$elsewhere" "$folder/container"
    manager_start
    [ "$(of_vgpu a .state)" = unavailable ]
    [[ "$(of_vgpu a .unavailable)" == *"$folder/container"* ]]
    [ -z "$(ls "$elsewhere")" ]
    rm "$folder/container"
}
