/* SPDX-License-Identifier: MIT */
#include "manager/session_gate.h"

#include "base/log.h"
#include "manager/arbiter.h"
#include "manager/spawn.h"
#include "manager/words.h"

#include <stdio.h>

static struct turn_gate *
desk_of(const struct vgpu *v, unsigned slot)
{
    struct account_slot *s = &v->account->slot[slot];

    return atomic_load(&s->kind) == SLOT_OF_PROGRAM ? &s->desk : NULL;
}

int
session_gate_begin(struct vgpu *v, unsigned slot)
{
    int gate = SESSION_NO_GATE;

    if (v->arbiter)
        gate = arbiter_begin_session(v->arbiter, v->turns, slot, desk_of(v, slot));
    if (gate < 0)
        return SESSION_NO_GATE;
    atomic_store(&v->account->slot[slot].gate.turn_gate, (uint32_t)gate + 1);
    return gate;
}

void
session_gate_arguments(const struct vgpu *v, int gate, struct strv *argv, int *fds,
                       int *nfds)
{
    static const char *const names[] = {"--turns-fd", "--gate-fd"};

    if (gate < 0)
        return;
    arbiter_files(v->arbiter, &fds[*nfds], &fds[*nfds + 1]);
    for (int i = 0; i < 2; i++) {
        strv_add(argv, "%s", names[i]);
        strv_add(argv, "%d", SPAWN_FIRST_FD + *nfds + i);
    }
    *nfds += 2;
    strv_add(argv, "--gate");
    strv_add(argv, "%d", gate);
}

int
session_gate_adopt(struct vgpu *v, unsigned slot, pid_t pid)
{
    int gate;

    if (!v->arbiter)
        return SESSION_NO_GATE;
    gate = arbiter_adopt_session(v->arbiter, v->turns, slot, desk_of(v, slot));
    if (gate >= 0)
        return gate;
    log_warning("vGPU '%s': process %d has no gate that is its own: it gets no turns",
                v->s.name, (int)pid);
    return SESSION_NO_GATE;
}

void
session_gate_end(const struct vgpu *v, int gate)
{
    if (gate >= 0)
        arbiter_end_session(v->arbiter, (unsigned)gate);
}

static void
session_execute(struct session *s, enum arbiter_sentence why)
{
    const struct gpu *g = s->vgpu->gpu;
    char words[ACCOUNT_REASON_BYTES];

    if (why == SENTENCE_OVERDUE)
        snprintf(
            words, sizeof words,
            "the watchdog ended it: a command ran longer than %u s while others waited",
            g ? g->time.watchdog_seconds : 0);
    else
        snprintf(words, sizeof words, "its page of the GPU's turns was tampered with");
    session_end_because(s, words);
}

void
session_sentenced(void *arg, const char *vgpu, unsigned slot, enum arbiter_sentence why)
{
    const struct vgpu *v = vgpu_find(arg, vgpu);

    for (struct list *l = v ? v->sessions.next : NULL; v && l != &v->sessions;
         l = l->next) {
        struct session *s = container_of(l, struct session, link);

        if (s->slot != slot || s->gate < 0)
            continue;
        session_execute(s, why);
        return;
    }
}
