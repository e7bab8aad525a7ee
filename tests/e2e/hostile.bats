#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A guest that sends what its library never would ends its own session, with the reason, and the
# next program finds everything in order.

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

# ends CASE WORDS...
ends() {
    on a "$PROGRAMS/hostile_image" "$1"
    shift
    within 2 last_error_says "$*"
    within 2 sessions_are a 0
}

@test "an image's regions, bytes and parents are the worker's to check" {
    ends region "clEnqueueReadImage: region: outside the image"
    ends overflow "clEnqueueFillImage: region: outside the image"
    ends short-read "clEnqueueReadImage: data: shorter than the read"
    ends short-write "clEnqueueWriteImage: data: shorter than the write"
    ends past-buffer "clEnqueueCopyImageToBuffer: region: outside the buffer"
    ends large-line "clCreateImage: sizes: more than its parent has"
    ends other-kind "clEnqueueFillBuffer: buffer: the id is of another kind of object"
    ends other-format "clEnqueueCopyImage: dst_image: of another format"
}

@test "so are rectangles of buffers" {
    ends rectangle "clEnqueueCopyBufferRect: offset: outside the buffer"
}

@test "what is recorded into a command buffer is checked as what is enqueued" {
    ends recorded-fill "clCommandFillImageKHR: region: outside the image"
    ends recorded-copy "clCommandCopyImageKHR: region: outside the image"
    ends recorded-to-buffer "clCommandCopyImageToBufferKHR: region: outside the buffer"
    ends recorded-to-image "clCommandCopyBufferToImageKHR: region: outside the buffer"
    ends recorded-range "clCommandCopyBufferKHR: offset: outside the buffer"
    ends recorded-bytes "clCommandFillBufferKHR: offset: outside the buffer"
    ends recorded-rectangle "clCommandCopyBufferRectKHR: offset: outside the buffer"
}

@test "the next program finds everything in order" {
    used_is a 0
    on a "$PROGRAMS/guest_images" limit $FRAMEBUFFER
}
