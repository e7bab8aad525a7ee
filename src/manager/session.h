/* SPDX-License-Identifier: MIT */
/*
 * A session: one guest process's use of a vGPU, served by one worker process, or in its own
 * (session_program.h).
 */
#ifndef TESSERA_MANAGER_SESSION_H
#define TESSERA_MANAGER_SESSION_H

#include "link/control.h"
#include "manager/vgpu.h"

struct vm_port;
struct snapshot_head;
struct snapshot_session;

struct session {
    struct list link; /* vgpu.sessions */
    struct vgpu *vgpu;
    unsigned slot;
    pid_t pid;
    bool in_process;  /* pid is the guest's own */
    bool restored;    /* such a one, and it has yet to ask for its grant again */
    bool adopted;     /* started by a manager before us, so not our child */
    bool hidden;      /* adopted, but maybe another process: not to be killed */
    bool told_to_end; /* by us: how it then ends is no error */
    int gate;         /* in the GPU's turns; SESSION_NO_GATE: it is ungoverned */
    char verdict[ACCOUNT_REASON_BYTES]; /* why we killed it; "": we have not */
    struct watch *watch;                /* its pidfd */
    struct vm_port *port; /* by which its guest came; NULL: by the socket, or adopted */
    uint32_t vm_port; /* its guest is in a virtual machine: the last port's, + 1; or 0 */
    struct watch *control; /* the connection to its worker (worker_link.h), or NULL */
    bool waiting;          /* restored: its guest has yet to come back */
    bool joining;          /* a guest was handed on to it, and it has not answered yet */
    uint8_t token[CONTROL_TOKEN_BYTES]; /* whom it waits for */
    struct process_id
        guest; /* the same of a restored one; pid 0: anybody with the token */
};

/* A guest waits at the vGPU's socket: takes it in, or turns it away. A loop_fn. */
void session_accept(void *vgpu);

/* The same at its socket for containers, where any user may come. */
void session_accept_container(void *vgpu);

/*
 * The same for a guest that speaks on a virtio port, whose fd is for its worker. 0; -EUSERS when it
 * was turned away in words, and the port is as it was before; else a negative errno.
 */
int session_accept_port(struct vm_port *p);

/* Does it hold a connection of QEMU's that we do not have? */
bool session_is_adopted_from_vm(const struct session *s);

/* Takes in a guest, or turns it away at a limit; the socket stays the caller's. */
void session_admit(struct vgpu *v, int guest, const struct peer *who);

/* Tells a guest why not, in a worker's words; status is a negative errno. */
void session_refuse(int guest, int status, const char *why);

/*
 * Starts a worker that is to make a session again (CONTROL_RESTORE), which waits for the guest that
 * it had. own: that guest may still be here.
 */
int session_restore(struct vgpu *v, const struct snapshot_head *head,
                    const struct snapshot_session *from, bool own, struct session **ret);

/*
 * Takes over the sessions in the account that still have a process; frees the other
 * slots.
 */
void session_adopt_all(struct vgpu *v);

/* Sends the worker a signal that ends it; the rest comes when it is gone. */
void session_end(struct session *s, int signal);

/* Kills the worker; `tessera show` tells why. */
void session_end_because(struct session *s, const char *why);

/* What it had of a virtual machine's memory is cleared: its slot is free. */
void session_slot_cleared(struct vgpu *v, unsigned slot);

/* Lets go of the session in memory; its worker goes on. */
void session_forget(struct session *s);

#endif
