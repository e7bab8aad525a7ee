#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A driver that lets go of a command's buffers long after the command is complete, as one does
# whose thread waits for a core: memory that comes back late is waited for, not refused.

load lib

setup_file() {
    export TESSERA_FAKE_FAULT=late:600000 TESSERA_SOFTWARE_DISCRETE=1
    e2e_begin
    "$TESSERA" create a --type $TYPE
}

teardown_file() {
    e2e_end
}

# What a session had is free when its worker is gone.
setup() {
    within 10 sessions_are a 0
}

@test "a buffer that is destroyed late comes back to who asks" {
    on a "$PROGRAMS/fb_limit" exact $FRAMEBUFFER $((FRAMEBUFFER / 2))
}

@test "what will not come back is refused without a wait" {
    on a "$PROGRAMS/fb_limit" kept $FRAMEBUFFER 0
}
