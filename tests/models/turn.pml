/* SPDX-License-Identifier: MIT */
/*
 * The hand-over of src/link/turn.h: one arbiter (src/manager/arbiter*.c) and three gates (src/gate,
 * whose thread is src/worker/runner.c). Checked with spin by check.sh:
 *
 *   one holder     no two gates hold a turn at once                             assert in take
 *   no lost wake   nobody sleeps for ever on what has happened                  no invalid end state
 *   granted        a gate that wants a turn holds one again, unless it dies     ltl granted
 *
 * What is modelled: offers with their terms written before their number; opening by the giver's
 * page; the next turn offered while one runs; an open turn that is cut for a newcomer, also when
 * its holder sleeps without work; a turn revoked before or after it is taken; a gate that dies at
 * any step, inside a give-back too, and is buried; sleeping as futex(2) does it: compare and sleep
 * in one step, woken by a wake alone and not by the word.
 *
 * What is not: time (the end of a slice comes at the gate's next step, whenever that is), clocks
 * and charges, orphaned gates, memory weaker than sequentially consistent. A bell's word is
 * modelled as "has it changed since it was read", so that it never wraps. Turns have no numbers:
 * what their comparison says is kept as "the latest is not given back" (is_offered) and "the turn
 * before this one is not given back" (behind).
 *
 * With -DBUG_... a mistake is built in, to show that it would be found.
 */
#define N 3
#define NONE N

/* The offers: the arbiter writes. */
bool is_offered[N];
byte after_gate[N] = NONE;
bool behind[N];
bool revoked[N];
bool open[N];

/* The gates' pages. */
bool wants[N];

/* Words that have changed since their reader read them, and readers who sleep. */
bool own_rang[N];
byte watched[N] = NONE; /* whose page a gate reads and sleeps on, beside its own offer */
bool giver_rang[N];
bool arbiter_rang;
bool sleeps[N];
bool arbiter_sleeps;

/* The world. */
bool work[N];
bool news[N]; /* what it wants has changed */
bool held[N];
bool dead[N];
byte revokes = REVOKES; /* how many there may be */

#define other(g, i) ((g + i) % N)

/* Who sleeps reads the word anew when it wakes: what it was matters to one awake alone. */
#define hear(g) own_rang[g] = !sleeps[g]; sleeps[g] = false

inline ring_arbiter()
{
    d_step {
        arbiter_rang = !arbiter_sleeps;
        arbiter_sleeps = false
    }
}

#define note_ring(g, x)                                                                  \
    if                                                                                   \
    :: watched[x] == g -> giver_rang[x] = true                                           \
    :: else                                                                              \
    fi

#ifdef BUG_NO_WAKE
#define note_wake(g, x) skip
#else
#define note_wake(g, x)                                                                  \
    if                                                                                   \
    :: watched[x] == g -> sleeps[x] = false                                              \
    :: else                                                                              \
    fi
#endif

/* The word, then the wake: its writer may die in between. */
inline ring_watchers(g)
{
#if DEATHS
    d_step {
        note_ring(g, other(g, 1));
        note_ring(g, other(g, 2))
    };
    d_step {
        note_wake(g, other(g, 1));
        note_wake(g, other(g, 2))
    }
#else
    d_step {
        note_ring(g, other(g, 1));
        note_ring(g, other(g, 2));
        note_wake(g, other(g, 1));
        note_wake(g, other(g, 2))
    }
#endif
}

/* The number that says so, in an atomic step of its caller; the terms say nothing any more. */
inline set_given(g)
{
    is_offered[g] = false;
    after_gate[g] = NONE;
    behind[g] = false;
    revoked[g] = false;
    open[g] = false;
    if
    :: after_gate[other(g, 1)] == g -> behind[other(g, 1)] = false
    :: else
    fi;
    if
    :: after_gate[other(g, 2)] == g -> behind[other(g, 2)] = false
    :: else
    fi
}

/* gate_words(), after its own bell: what else it will sleep on, read before it looks. */
inline read_words(g)
{
    d_step {
        watched[g] = NONE;
        if
        :: !held[g] && is_offered[g] -> watched[g] = after_gate[g]
        :: else
        fi;
        giver_rang[g] = false
    }
}

/* gate_step(): gives back what is revoked or over, which a shared turn is by its next step; */
#define must_give_back(g) (is_offered[g] && (revoked[g] || (held[g] && !open[g])))

inline give_back(g)
{
    if
    :: d_step {
            must_give_back(g);
            wants[g] = work[g];
            held[g] = false;
            set_given(g)
        };
        ring_watchers(g);
        ring_arbiter()
    :: else
    fi
}

/* may run what it has; takes what has opened; tells what it wants. */
#ifdef BUG_TAKES_EARLY
#define may_take(g) (!held[g] && is_offered[g] && !revoked[g])
#else
#define may_take(g) (!held[g] && is_offered[g] && !revoked[g] && !behind[g])
#endif

inline take(g)
{
    if
    :: held[g] && work[g] -> work[g] = false
    :: true
    fi;
    d_step {
        if
        :: may_take(g) ->
            held[g] = true;
            assert(!held[other(g, 1)] && !held[other(g, 2)])
        :: else
        fi;
        news[g] = wants[g] != work[g];
        wants[g] = work[g]
    };
    if
    :: d_step {
            news[g];
            news[g] = false
        };
        ring_arbiter()
    :: else
    fi
}

/* Its holder does not sleep while it runs, and naps until a shared turn's end. */
#define has_time(g) (held[g] && (!open[g] || work[g]))

#ifdef BUG_NO_COMPARE
#define has_heard(g) false
#else
#define has_heard(g) (own_rang[g] || giver_rang[g])
#endif

/* Then it is awake, and reads its own bell first. */
inline gate_sleep(g)
{
    d_step {
        sleeps[g] = !has_time(g) && !has_heard(g);
        own_rang[g] = false;
        giver_rang[g] = giver_rang[g] && sleeps[g];
        if
        :: !sleeps[g] -> watched[g] = NONE
        :: else
        fi
    };
    d_step {
        !sleeps[g] -> watched[g] = NONE;
        giver_rang[g] = false
    }
}

proctype gate(byte g)
{
    {
        do
        :: read_words(g);
            give_back(g);
            take(g);
            gate_sleep(g)
        od
    } unless {
        dead[g]
    }
}

/* Guests launch now and then; a gate's own thread hears of it. */
#define may_launch(g) (sleeps[g] && !work[g] && !dead[g])

proctype guests()
{
end:
    do
    :: atomic { may_launch(0) -> work[0] = true; sleeps[0] = false }
    :: atomic { may_launch(1) -> work[1] = true; sleeps[1] = false }
    :: atomic { may_launch(2) -> work[2] = true; sleeps[2] = false }
    od
}

/* The kernel ends what a dead process had on the device before anybody hears of its death. */
proctype killer()
{
    if
    :: d_step { dead[0] = true; held[0] = false; sleeps[0] = false }
    :: d_step { dead[1] = true; held[1] = false; sleeps[1] = false }
#if GATES > 2
    :: d_step { dead[2] = true; held[2] = false; sleeps[2] = false }
#endif
    fi;
    ring_arbiter()
}

/* ---- the arbiter ------------------------------------------------------------------- */

byte current = NONE, next = NONE;
byte latest; /* who was picked last: it goes round */
bool buried[N];

#define wanted(g) (wants[g] && !buried[g])

inline bury(g)
{
    d_step {
        buried[g] = true;
        wants[g] = false;
        set_given(g)
    };
#ifndef BUG_BURIED_SILENTLY
    ring_watchers(g)
#endif
}

/* Who is to be rung: whose offer has changed. */
bool ring[N];

inline set_terms(g, after)
{
    after_gate[g] = after;
    behind[g] = after != NONE && is_offered[after];
    open[g] = after == NONE && !(wanted(other(g, 1)) || wanted(other(g, 2)))
}

/* The terms before the number: in one step, as nobody looks at them before. */
inline offer(g, after)
{
#ifndef BUG_NUMBER_FIRST
    set_terms(g, after);
#endif
    is_offered[g] = true;
    ring[g] = true
}

/* The next after the latest that wants a turn, and is not `but`; NONE: nobody. */
inline pick(ret, but)
{
    ret = NONE;
    if
    :: wanted(other(latest, 1)) && other(latest, 1) != but -> ret = other(latest, 1)
    :: else ->
        if
        :: wanted(other(latest, 2)) && other(latest, 2) != but -> ret = other(latest, 2)
        :: else ->
            if
            :: wanted(latest) && latest != but -> ret = latest
            :: else
            fi
        fi
    fi;
    if
    :: ret != NONE -> latest = ret
    :: else
    fi
}

inline close_turns()
{
    if
    :: current != NONE && !is_offered[current] ->
        current = next;
        next = NONE
    :: else
    fi;
    if
    :: current != NONE && !is_offered[current] ->
        current = next;
        next = NONE
    :: else
    fi;
    if
    :: next != NONE && !is_offered[next] -> next = NONE
    :: else
    fi
}

inline cut_open(g)
{
#ifndef BUG_NOT_CUT
    if
    :: open[g] ->
        open[g] = false;
        ring[g] = true
    :: else
    fi
#else
    skip
#endif
}

inline plan()
{
    if
    :: current == NONE ->
        pick(current, NONE);
        if
        :: current != NONE -> offer(current, NONE)
        :: else
        fi
    :: else
    fi;
    if
    :: current != NONE && next == NONE ->
        pick(next, current);
        if
        :: next != NONE ->
            cut_open(current);
            offer(next, current)
        :: else
        fi
    :: else
    fi
}

inline ring_all()
{
    if
    :: d_step { ring[0] -> ring[0] = false; hear(0) }
    :: else
    fi;
    if
    :: d_step { ring[1] -> ring[1] = false; hear(1) }
    :: else
    fi;
    if
    :: d_step { ring[2] -> ring[2] = false; hear(2) }
    :: else
    fi
}

/* A policy changes, a session is to be suspended. */
inline revoke_one()
{
    if
    :: d_step {
            current != NONE && is_offered[current] && revokes > 0 ->
            revokes--;
            revoked[current] = true;
            ring[current] = true
        }
    :: d_step {
            next != NONE && is_offered[next] && revokes > 0 ->
            revokes--;
            revoked[next] = true;
            ring[next] = true
        }
    :: true
    fi
}

proctype arbiter()
{
    do
    ::  if
        :: dead[0] && !buried[0] -> bury(0)
        :: dead[1] && !buried[1] -> bury(1)
        :: dead[2] && !buried[2] -> bury(2)
        :: else
        fi;
        d_step {
            close_turns();
            plan()
        };
#ifdef BUG_NUMBER_FIRST
        if
        :: next != NONE && ring[next] -> d_step { set_terms(next, current) }
        :: else
        fi;
#endif
        revoke_one();
        ring_all();
        d_step {
            arbiter_sleeps = !arbiter_rang; /* compares and sleeps in one */
            arbiter_rang = false
        };
end:
        !arbiter_sleeps
    od
}

init
{
    atomic {
        run gate(0);
        run gate(1);
#if GATES > 2
        run gate(2);
#endif
        run guests();
#if DEATHS
        run killer();
#endif
        run arbiter()
    }
}

ltl granted { [] (wants[0] -> <> (held[0] || dead[0])) }
