/* SPDX-License-Identifier: MIT */
/*
 * A hang-up of the worker that may be no death: it left with CHANNEL_SUSPENDED in the channel page.
 * The guest says hello again, with the session's token and memory, and is answered once the vGPU is
 * resumed. Meanwhile nothing moves: rings, waiters' words and the heap are where they were, and
 * what is in them is read afterwards. Not in a virtual machine: such a session dies.
 */
#ifndef TESSERA_GUEST_OPENCL_REJOIN_H
#define TESSERA_GUEST_OPENCL_REJOIN_H

#include "guest/opencl/session.h"

/*
 * So long nobody may listen at the socket, while the manager starts again; longer is the end. Who
 * has taken the connection may take any time.
 */
#define REJOIN_PATIENCE_MS 300000u

/* Has the worker at the doorbell hung up? Not for a virtual machine's port. */
bool session_peer_hung_up(const struct session *s);

/*
 * After a hang-up was seen, which may be over by now. Any thread that holds none of rx_lock,
 * wait_lock and the heap's; what is in the replies ring was read. true: there is a worker again, at
 * the same descriptor; look again at whatever was waited for. false: none will come: the caller
 * ends the session. Returns as late as the vGPU is resumed.
 */
bool session_lost(struct session *s);

#endif
