#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Right and wrong use of every entry of the OpenCL 3.0 dispatch table, chapter by chapter. On a
# vGPU the specification's answer is required; natively, the driver's own where it is known to
# differ (docs/opencl-differences.md).

load lib

setup_file() {
    e2e_begin
    "$TESSERA" create a --type $TYPE
}

teardown_file() {
    e2e_end
}

teardown() {
    programs_end
}

use_on_vgpu() {
    on a "$PROGRAMS/api_use" "$@"
}

@test "natively the driver answers as the specification, but for documented differences" {
    said_natively "$PROGRAMS/api_use" --driver | tee "$BATS_FILE_TMPDIR/native"
    [ "${PIPESTATUS[0]}" -eq 0 ]
    /usr/bin/python3 "$BATS_TEST_DIRNAME/api_differences.py" \
        "$BATS_TEST_DIRNAME/../../docs/opencl-differences.md" "$BATS_FILE_TMPDIR/native"
}

# An optional feature is right and wrong where a device has it, and refused where none has.
@test "every entry of the dispatch table has its right and its wrong use, or is refused" {
    [ -f "$BATS_FILE_TMPDIR/native" ] ||
        said_natively "$PROGRAMS/api_use" --driver >"$BATS_FILE_TMPDIR/native"
    on a "$PROGRAMS/api_use" >"$BATS_TEST_TMPDIR/cases" || true
    cat "$BATS_FILE_TMPDIR/native" >>"$BATS_TEST_TMPDIR/cases"
    /usr/bin/python3 "$BATS_TEST_DIRNAME/api_entries.py" \
        "$BATS_TEST_DIRNAME/../../api/opencl.toml" "$BATS_TEST_TMPDIR/cases"
}

@test "on a vGPU: platform, devices, timers, sub-devices" {
    use_on_vgpu platform
}

@test "on a vGPU: contexts" {
    use_on_vgpu context
}

@test "on a vGPU: queues, markers, barriers, migration" {
    use_on_vgpu queue
}

@test "on a vGPU: buffers, sub-buffers, copies, maps" {
    use_on_vgpu buffer
}

@test "on a vGPU: images" {
    use_on_vgpu image
}

@test "on a vGPU: samplers" {
    use_on_vgpu sampler
}

@test "on a vGPU: programs" {
    use_on_vgpu program
}

@test "on a vGPU: kernels" {
    use_on_vgpu kernel
}

@test "on a vGPU: launches" {
    use_on_vgpu enqueue
}

@test "on a vGPU: events" {
    use_on_vgpu event
}

@test "on a vGPU: what a device need not have" {
    use_on_vgpu refused
}

@test "on a vGPU: command buffers, where the device has them" {
    use_on_vgpu command_buffer
}

@test "on a vGPU: functions of other extensions, where the device has them" {
    for name in clGetKernelSuggestedLocalWorkSizeKHR clCreateCommandQueueWithPropertiesKHR \
        clCreateProgramWithILKHR; do
        grep -qE "^(skipped $name|ok $name right):" "$BATS_FILE_TMPDIR/native"
    done
    use_on_vgpu extension
}

@test "nothing of all that is left" {
    within 1 sessions_are a 0
    used_is a 0
    [ "$(of_vgpu a .last_error)" = null ]
}
