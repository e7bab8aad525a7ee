/* SPDX-License-Identifier: MIT */
/* Framebuffer and credit: exact to the byte, whatever the guest writes into its word. */
#include "worker/mem.h"
#include "worker/memory.h"
#include "worker/session.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1ull << 20)
#define FRAMEBUFFER (512 * MIB)

/* A session without a worker: its part of the account, and the word that its guest sees. */
struct fake_session {
    struct account_page *account;
    unsigned slot;
    _Atomic uint64_t credit;
    struct memory memory;
    pthread_t recall_thread, guest_thread;
    _Atomic bool stop;
    unsigned made;
};

static void
open_account(struct account_page **ret)
{
    char path[64];
    int fd = -1;

    snprintf(path, sizeof path, "/tmp/test-memory-%d", (int)getpid());
    assert_int_equal(account_create(path, FRAMEBUFFER, ret, &fd), 0);
    close(fd);
    unlink(path);
}

static void
session_open(struct fake_session *f, struct account_page *a)
{
    int slot = account_slot_take(a);

    assert_true(slot >= 0);
    *f = (struct fake_session){.account = a, .slot = (unsigned)slot};
    atomic_store(&a->slot[slot].pid, getpid());
    atomic_store(&a->slot[slot].pid_start, process_start_ticks(getpid()));
    memory_init(&f->memory, a, f->slot, &f->credit);
    atomic_store(&a->slot[slot].state, SLOT_LIVE);
}

/* What the worker's recall thread does. */
static void *
answer_recalls(void *arg)
{
    struct fake_session *f = arg;
    uint32_t seen = atomic_load(&f->account->slot[f->slot].recall_seen);

    while (!atomic_load(&f->stop)) {
        uint32_t recall = account_recall_sleep(f->account, seen, 10);

        if (recall != seen)
            memory_recalled(&f->memory, recall);
        seen = recall;
    }
    return NULL;
}

static void
session_answer_recalls(struct fake_session *f)
{
    assert_int_equal(pthread_create(&f->recall_thread, NULL, answer_recalls, f), 0);
}

static void
session_stop(struct fake_session *f)
{
    atomic_store(&f->stop, true);
    pthread_join(f->recall_thread, NULL);
}

static bool
guest_takes(struct fake_session *f, uint64_t bytes)
{
    uint64_t v = atomic_load(&f->credit);

    while (v >= bytes) {
        if (atomic_compare_exchange_weak(&f->credit, &v, v - bytes))
            return true;
    }
    return memory_ask(&f->memory, bytes) || memory_ask_all(&f->memory, bytes);
}

static bool
create(struct fake_session *f, uint64_t bytes)
{
    return guest_takes(f, bytes) && memory_charge(&f->memory, bytes);
}

static void
destroy(struct fake_session *f, uint64_t bytes)
{
    memory_dying(&f->memory);
    memory_died(&f->memory, bytes);
}

static void
the_framebuffer_can_be_filled_to_the_last_byte(void **state)
{
    struct account_page *a;
    struct fake_session f;

    (void)state;
    open_account(&a);
    session_open(&f, a);
    for (unsigned i = 0; i < 512; i++)
        assert_true(create(&f, MIB));
    assert_false(create(&f, 1));
    assert_int_equal(a->slot[f.slot].used_bytes, FRAMEBUFFER);
    destroy(&f, MIB);
    assert_true(create(&f, MIB));
    assert_false(create(&f, 1));
    account_unmap(a);
}

static void
one_buffer_can_take_all_of_it(void **state)
{
    struct account_page *a;
    struct fake_session f;

    (void)state;
    open_account(&a);
    session_open(&f, a);
    assert_true(create(&f, FRAMEBUFFER));
    assert_int_equal(f.credit, 0);
    assert_int_equal(a->reserved_bytes, FRAMEBUFFER);
    account_unmap(a);
}

static void
more_than_was_given_is_refused(void **state)
{
    struct account_page *a;
    struct fake_session f;
    uint64_t given;

    (void)state;
    open_account(&a);
    session_open(&f, a);
    given = f.credit;
    assert_false(memory_charge(&f.memory, given + 1));
    assert_true(memory_charge(&f.memory, given));
    assert_false(memory_charge(&f.memory, 1));
    account_unmap(a);
}

static void
a_forged_credit_is_worth_no_more_than_what_is_reserved(void **state)
{
    struct account_page *a;
    struct fake_session f;

    (void)state;
    open_account(&a);
    session_open(&f, a);
    assert_true(create(&f, MIB));
    atomic_store(&f.credit, UINT64_MAX);
    assert_false(memory_ask(&f.memory, FRAMEBUFFER));
    atomic_store(&f.credit, UINT64_MAX);
    memory_recalled(&f.memory, 1);
    assert_int_equal(a->reserved_bytes, MIB);
    assert_int_equal(a->slot[f.slot].used_bytes, MIB);
    account_unmap(a);
}

static void
a_recall_takes_all_credit_and_no_buffer(void **state)
{
    struct account_page *a;
    struct fake_session f;

    (void)state;
    open_account(&a);
    session_open(&f, a);
    assert_true(create(&f, 3 * MIB));
    memory_recalled(&f.memory, 7);
    assert_int_equal(f.credit, 0);
    assert_int_equal(a->slot[f.slot].reserved_bytes, 3 * MIB);
    assert_int_equal(a->slot[f.slot].recall_seen, 7);
    account_unmap(a);
}

static void
what_could_not_be_made_is_credit_again(void **state)
{
    struct account_page *a;
    struct fake_session f;
    uint64_t before;

    (void)state;
    open_account(&a);
    session_open(&f, a);
    before = f.credit;
    assert_true(create(&f, MIB));
    memory_uncharge(&f.memory, MIB);
    assert_int_equal(f.credit, before);
    assert_int_equal(a->slot[f.slot].used_bytes, 0);
    account_unmap(a);
}

static void
credit_beyond_a_bound_goes_back_to_the_account(void **state)
{
    struct account_page *a;
    struct fake_session f;

    (void)state;
    open_account(&a);
    session_open(&f, a);
    assert_true(create(&f, FRAMEBUFFER));
    destroy(&f, FRAMEBUFFER);
    assert_true(a->slot[f.slot].reserved_bytes <= f.memory.keep_bytes);
    assert_int_equal(f.credit, a->slot[f.slot].reserved_bytes);
    account_unmap(a);
}

static void
unused_credit_of_another_session_can_be_had(void **state)
{
    struct account_page *a;
    struct fake_session f, other;

    (void)state;
    open_account(&a);
    session_open(&other, a);
    session_open(&f, a);
    session_answer_recalls(&other);
    assert_true(other.credit > 0);
    assert_true(create(&f, FRAMEBUFFER));
    assert_int_equal(other.credit, 0);
    session_stop(&other);
    account_unmap(a);
}

static void *
create_until_full(void *arg)
{
    struct fake_session *f = arg;

    while (f->made < 1024 && create(f, MIB))
        f->made++;
    return NULL;
}

static void
two_racing_sessions_share_the_limit_exactly(void **state)
{
    struct account_page *a;
    struct fake_session f[2];

    (void)state;
    open_account(&a);
    for (unsigned i = 0; i < 2; i++) {
        session_open(&f[i], a);
        session_answer_recalls(&f[i]);
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(
            pthread_create(&f[i].guest_thread, NULL, create_until_full, &f[i]), 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(f[i].guest_thread, NULL);
    for (unsigned i = 0; i < 2; i++)
        session_stop(&f[i]);
    assert_int_equal(f[0].made + f[1].made, 512);
    assert_int_equal(a->reserved_bytes, FRAMEBUFFER);
    account_unmap(a);
}

static void *
destroy_soon(void *arg)
{
    usleep(20000);
    memory_died(&((struct fake_session *)arg)->memory, MIB);
    return NULL;
}

static void
who_waits_for_a_destruction_is_woken_by_it(void **state)
{
    struct account_page *a;
    struct fake_session f;
    uint64_t destroyed, dying;

    (void)state;
    open_account(&a);
    session_open(&f, a);
    assert_true(create(&f, MIB));
    memory_dying(&f.memory);
    memory_counts(&f.memory, &destroyed, &dying);
    assert_int_equal(dying, 1);
    assert_false(memory_wait_destroyed(&f.memory, destroyed, 1));
    assert_int_equal(pthread_create(&f.guest_thread, NULL, destroy_soon, &f), 0);
    assert_true(memory_wait_destroyed(&f.memory, destroyed, 20000));
    pthread_join(f.guest_thread, NULL);
    memory_counts(&f.memory, &destroyed, &dying);
    assert_int_equal(destroyed, 1);
    assert_int_equal(dying, 0);
    account_unmap(a);
}

/* A driver that uses it as it is would give kernels elements that are not aligned. */
static void
storage_that_begins_inside_a_granule_is_refused(void **state)
{
    static struct session s = {.shared_storage = true};
    const struct extent none = {EXTENT_NONE, 0};
    const struct extent good = {3 * HEAP_GRANULE, 4096}, bad = {15, 4096};

    (void)state;
    assert_int_equal(mem_check_content(&s, 4096, good, CONTENT_NONE, none), 0);
    assert_int_equal(mem_check_content(&s, 4096, none, CONTENT_NONE, none), 0);
    assert_int_equal(mem_check_content(&s, 4096, bad, CONTENT_NONE, none), -EPROTO);
    assert_non_null(strstr(s.reason, "storage: not aligned"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_framebuffer_can_be_filled_to_the_last_byte),
        cmocka_unit_test(one_buffer_can_take_all_of_it),
        cmocka_unit_test(more_than_was_given_is_refused),
        cmocka_unit_test(a_forged_credit_is_worth_no_more_than_what_is_reserved),
        cmocka_unit_test(a_recall_takes_all_credit_and_no_buffer),
        cmocka_unit_test(what_could_not_be_made_is_credit_again),
        cmocka_unit_test(credit_beyond_a_bound_goes_back_to_the_account),
        cmocka_unit_test(unused_credit_of_another_session_can_be_had),
        cmocka_unit_test(two_racing_sessions_share_the_limit_exactly),
        cmocka_unit_test(who_waits_for_a_destruction_is_woken_by_it),
        cmocka_unit_test(storage_that_begins_inside_a_granule_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
