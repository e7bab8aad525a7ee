/* SPDX-License-Identifier: MIT */
#include "link/account.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT 100000u

struct file {
    char folder[64], path[96];
    struct account_page *a;
    int fd;
};

static int
setup(void **state)
{
    struct file *f = calloc(1, sizeof *f);

    strcpy(f->folder, "/tmp/tessera-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/account", f->folder);
    assert_int_equal(account_create(f->path, LIMIT, &f->a, &f->fd), 0);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct file *f = *state;

    account_unmap(f->a);
    close(f->fd);
    unlink(f->path);
    rmdir(f->folder);
    free(f);
    return 0;
}

static uint64_t
sum_of_slots(struct account_page *a)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++)
        sum += atomic_load(&a->slot[i].reserved_bytes);
    return sum;
}

static void
wait_for_exit_0(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- framebuffer --------------------------------------------------------------------------- */

static void
the_limit_is_exact_to_the_byte(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;

    assert_int_equal(account_reserve(a, 0, LIMIT - 1), 0);
    assert_int_equal(account_reserve(a, 1, 2), -ENOSPC);
    assert_int_equal(account_free_bytes(a), 1);
    assert_int_equal(account_reserve(a, 1, 1), 0);
    assert_int_equal(account_reserve(a, 1, 1), -ENOSPC);
    assert_int_equal(account_free_bytes(a), 0);
    assert_int_equal(atomic_load(&a->slot[1].reserved_bytes), 1);
}

static void
a_request_that_would_overflow_is_refused(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;

    assert_int_equal(account_reserve(a, 0, 10), 0);
    assert_int_equal(account_reserve(a, 0, UINT64_MAX), -ENOSPC);
    assert_int_equal(account_reserve(a, 0, UINT64_MAX - 5), -ENOSPC);
    assert_int_equal(account_reserve(a, 0, LIMIT + 1), -ENOSPC);
    assert_int_equal(account_free_bytes(a), LIMIT - 10);
}

static void
released_bytes_can_be_reserved_again(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;

    assert_int_equal(account_reserve(a, 0, LIMIT), 0);
    account_release(a, 0, 100);
    assert_int_equal(account_reserve(a, 1, 100), 0);
    assert_int_equal(account_free_bytes(a), 0);
}

static void
a_slot_gives_back_no_more_than_it_holds(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;

    assert_int_equal(account_reserve(a, 0, 100), 0);
    assert_int_equal(account_reserve(a, 1, 50), 0);
    account_release(a, 1, UINT64_MAX);
    assert_int_equal(account_free_bytes(a), LIMIT - 100);
    assert_int_equal(sum_of_slots(a), 100);
}

/* Takes bytes one by one until there are none. Exit status 1: the limit was exceeded. */
static void
reserve_all(const char *path, unsigned slot)
{
    struct account_page *a;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (account_map(fd, &a) < 0)
        _exit(2);
    while (account_reserve(a, slot, 1) == 0) {
        if (atomic_load(&a->reserved_bytes) > LIMIT)
            _exit(1);
    }
    _exit(0);
}

static void
two_processes_that_race_never_exceed_the_limit(void **state)
{
    struct file *f = *state;
    pid_t child[2];

    for (unsigned i = 0; i < 2; i++) {
        child[i] = fork();
        if (child[i] == 0)
            reserve_all(f->path, i);
    }
    wait_for_exit_0(child[0]);
    wait_for_exit_0(child[1]);
    assert_int_equal(atomic_load(&f->a->reserved_bytes), LIMIT);
    assert_int_equal(sum_of_slots(f->a), LIMIT);
    assert_int_equal(account_free_bytes(f->a), 0);
}

/* As if slot i's worker were inside an account_... function, or had died there. */
static void
hold_the_lock(struct account_page *a, unsigned i)
{
    atomic_fetch_or(&a->lock, i + 1);
}

static void
a_process_that_dies_with_the_lock_blocks_nobody(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;

    hold_the_lock(a, 0);
    assert_int_equal(account_reserve(a, 1, LIMIT), 0);
    account_release(a, 1, LIMIT);
    assert_int_equal(account_free_bytes(a), LIMIT);
}

static void
a_death_between_slot_and_sum_is_mended(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;

    hold_the_lock(a, 0);
    atomic_fetch_add(&a->slot[0].reserved_bytes, 40);
    assert_int_equal(account_reserve(a, 1, LIMIT - 39), -ENOSPC);
    assert_int_equal(account_reserve(a, 1, LIMIT - 40), 0);
    account_slot_free(a, 0);
    assert_int_equal(account_free_bytes(a), 40);
}

static void
the_manager_takes_a_dead_workers_lock_at_once(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;
    const uint64_t began = now_ns();

    hold_the_lock(a, 3);
    atomic_fetch_add(&a->slot[3].reserved_bytes, 40);
    account_slot_free(a, 3);
    assert_int_equal(account_reserve(a, 1, LIMIT), 0);
    assert_true(now_ns() - began < 15000000);
}

static void *
write_garbage(void *arg)
{
    struct account_page *a = arg;
    uint64_t garbage = 1;

    while (atomic_load(&a->slot[63].gate.commands) == 0) {
        garbage = garbage * 6364136223846793005u + 1442695040888963407u;
        atomic_store(&a->lock, (uint32_t)(garbage >> 32) | 0x80u);
    }
    return NULL;
}

static void
a_worker_that_writes_into_the_lock_does_not_hold_up_the_manager(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;
    const uint64_t began = now_ns();
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, write_garbage, a), 0);
    for (unsigned i = 0; i < 10; i++) {
        int slot = account_slot_take(a);

        assert_true(slot >= 0);
        account_slot_free(a, (unsigned)slot);
    }
    assert_true(now_ns() - began < UINT64_C(2000000000));
    atomic_store(&a->slot[63].gate.commands, 1);
    pthread_join(thread, NULL);
}

/* ---- slots --------------------------------------------------------------------------------- */

static void
slots_are_given_out_once(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;

    for (int i = 0; i < ACCOUNT_SLOTS; i++)
        assert_int_equal(account_slot_take(a), i);
    assert_int_equal(account_slot_take(a), -EBUSY);
    account_slot_free(a, 7);
    assert_int_equal(account_slot_take(a), 7);
}

static void
a_freed_slot_gives_its_bytes_back(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;
    int i = account_slot_take(a);

    assert_int_equal(account_reserve(a, (unsigned)i, 600), 0);
    atomic_store(&a->slot[i].used_bytes, 500);
    account_slot_free(a, (unsigned)i);
    assert_int_equal(account_free_bytes(a), LIMIT);
    assert_int_equal(atomic_load(&a->slot[i].used_bytes), 0);
}

static void
the_peak_is_of_all_slots_together(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;
    const unsigned i = (unsigned)account_slot_take(a), k = (unsigned)account_slot_take(a);

    account_use(a, i, 600);
    account_unuse(a, i, 500);
    account_use(a, k, 300);
    assert_int_equal(atomic_load(&a->peak_bytes), 600);
    account_use(a, i, 201);
    assert_int_equal(atomic_load(&a->peak_bytes), 601);
    account_slot_free(a, k);
    account_use(a, i, 100);
    assert_int_equal(atomic_load(&a->peak_bytes), 601);
    assert_int_equal(atomic_load(&a->slot[i].used_bytes), 401);
}

/* A worker can write into the page: what it says there must not lead us outside. */
static void
a_forged_count_of_slots_is_cut(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;

    atomic_store(&a->slots_seen, UINT32_MAX);
    account_use(a, 0, 7);
    assert_int_equal(atomic_load(&a->peak_bytes), 7);
}

static void
a_slot_tells_its_next_user_nothing_of_the_last(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;
    int i = account_slot_take(a);
    struct account_slot *s = &a->slot[i];

    atomic_store(&s->pid, 17);
    atomic_store(&s->gate.commands, 99);
    strcpy(s->program, "trainer");
    strcpy(s->reason, "crashed");
    account_slot_free(a, (unsigned)i);
    assert_int_equal(account_slot_take(a), i);
    assert_int_equal(atomic_load(&s->state), SLOT_RESERVED);
    assert_int_equal(atomic_load(&s->pid), 0);
    assert_int_equal(atomic_load(&s->gate.commands), 0);
    assert_string_equal(s->program, "");
    assert_string_equal(s->reason, "");
}

/* ---- the file ------------------------------------------------------------------------------ */

static void
the_file_is_its_owners_alone(void **state)
{
    struct file *f = *state;
    struct stat st;

    assert_int_equal(fstat(f->fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void
who_maps_it_sees_the_same_account(void **state)
{
    struct file *f = *state;
    struct account_page *other;

    assert_int_equal(account_map(f->fd, &other), 0);
    assert_int_equal(account_reserve(other, 3, 77), 0);
    assert_int_equal(account_free_bytes(f->a), LIMIT - 77);
    account_unmap(other);
}

static void
a_new_account_replaces_the_old_one(void **state)
{
    struct file *f = *state;
    struct account_page *fresh;
    int fd;

    assert_int_equal(account_reserve(f->a, 0, 10), 0);
    assert_int_equal(account_create(f->path, 50, &fresh, &fd), 0);
    assert_int_equal(account_free_bytes(fresh), 50);
    assert_int_equal(account_free_bytes(f->a), LIMIT - 10);
    account_unmap(fresh);
    close(fd);
}

static void
a_file_of_another_version_is_refused(void **state)
{
    struct file *f = *state;
    struct account_page *other;

    f->a->version++;
    assert_int_equal(account_map(f->fd, &other), -EPROTO);
    f->a->version--;
    f->a->bytes += 64;
    assert_int_equal(account_map(f->fd, &other), -EPROTO);
    f->a->bytes -= 64;
    f->a->magic ^= 1;
    assert_int_equal(account_map(f->fd, &other), -EPROTO);
}

static void
a_file_that_is_too_short_is_refused(void **state)
{
    struct file *f = *state;
    struct account_page *other;

    assert_int_equal(ftruncate(f->fd, sizeof *f->a - 1), 0);
    assert_int_equal(account_map(f->fd, &other), -EPROTO);
    assert_int_equal(ftruncate(f->fd, 0), 0);
    assert_int_equal(account_map(f->fd, &other), -EPROTO);
    assert_int_equal(account_map(-1, &other), -EBADF);
}

/* ---- recall -------------------------------------------------------------------------------- */

static void
slot_live(struct account_page *a, unsigned i, pid_t pid, uint64_t start)
{
    assert_int_equal(account_slot_take(a), i);
    atomic_store(&a->slot[i].pid, pid);
    atomic_store(&a->slot[i].pid_start, start);
    atomic_store(&a->slot[i].state, SLOT_LIVE);
}

static void *
answer_main(void *arg)
{
    struct account_page *a = arg;
    uint32_t recall = account_recall_sleep(a, 0, 10000);

    account_recall_answer(a, 1, recall);
    return NULL;
}

static void
a_recall_is_over_when_all_have_answered(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;
    uint64_t own = process_start_ticks(getpid());
    pthread_t other;
    uint32_t recall;

    slot_live(a, 0, getpid(), own);
    slot_live(a, 1, getpid(), own);
    pthread_create(&other, NULL, answer_main, a);
    recall = account_recall_start(a);
    assert_true(account_recall_wait(a, recall, 0, 10000));
    pthread_join(other, NULL);
    assert_int_equal(atomic_load(&a->slot[1].recall_seen), recall);
}

static void
a_recall_that_nobody_answers_times_out(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;
    uint64_t own = process_start_ticks(getpid());

    slot_live(a, 0, getpid(), own);
    slot_live(a, 1, getpid(), own);
    assert_false(account_recall_wait(a, account_recall_start(a), 0, 20));
}

static void
the_asker_does_not_wait_for_itself(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;

    slot_live(a, 0, getpid(), process_start_ticks(getpid()));
    assert_true(account_recall_wait(a, account_recall_start(a), 0, 0));
}

static void *
free_main(void *arg)
{
    struct account_page *a = arg;

    account_recall_sleep(a, 0, 10000);
    account_slot_free(a, 0);
    return NULL;
}

/* Whether there is such a process must not matter: a worker in its jail sees none. */
static void
a_slot_is_waited_for_until_it_is_freed(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;
    pthread_t manager;

    slot_live(a, 0, 0x7fffffff, 1);
    assert_int_equal(account_reserve(a, 0, 10), 0);
    pthread_create(&manager, NULL, free_main, a);
    assert_true(account_recall_wait(a, account_recall_start(a), 5, 10000));
    pthread_join(manager, NULL);
    assert_int_equal(atomic_load(&a->reserved_bytes), 0);
    slot_live(a, 0, 0x7fffffff, 1);
    assert_false(account_recall_wait(a, account_recall_start(a), 5, 20));
}

static void
sessions_that_are_not_live_need_not_answer(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;
    uint64_t own = process_start_ticks(getpid());

    slot_live(a, 0, getpid(), own);
    slot_live(a, 1, getpid(), own);
    atomic_store(&a->slot[0].state, SLOT_ENDED);
    atomic_store(&a->slot[1].state, SLOT_RESERVED);
    assert_true(account_recall_wait(a, account_recall_start(a), 5, 0));
}

static void
a_new_session_is_not_asked_for_an_old_recall(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;
    uint32_t recall = account_recall_start(a);

    slot_live(a, 0, getpid(), process_start_ticks(getpid()));
    assert_true(account_recall_wait(a, recall, 5, 0));
}

static void
sleeping_for_a_recall_ends_with_the_time_or_the_word(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;
    uint64_t start = now_ns();

    assert_int_equal(account_recall_sleep(a, 0, 20), 0);
    assert_true(now_ns() - start >= 19000000u);
    account_recall_start(a);
    assert_int_equal(account_recall_sleep(a, 0, 60000), 1);
}

static void
start_times_tell_processes_apart(void **state)
{
    uint64_t own = process_start_ticks(getpid());

    (void)state;
    assert_true(own > 0);
    assert_int_equal(process_start_ticks(getpid()), own);
    assert_int_equal(process_start_ticks(0), 0);
    assert_int_equal(process_start_ticks(-1), 0);
    assert_int_equal(process_start_ticks(0x7fffffff), 0);
}

static uint64_t
objects_held(const struct account_page *a)
{
    return atomic_load(&a->held[LIMIT_OBJECTS]);
}

static void
a_limit_holds_for_all_slots_together(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;

    assert_int_equal(account_take(a, 0, LIMIT_OBJECTS, 10, 6), 0);
    assert_int_equal(account_take(a, 1, LIMIT_OBJECTS, 10, 5), -ENOSPC);
    assert_int_equal(account_take(a, 1, LIMIT_OBJECTS, 10, 4), 0);
    assert_int_equal(account_take(a, 2, LIMIT_OBJECTS, 10, UINT64_MAX), -ENOSPC);
    assert_int_equal(account_take(a, 2, LIMIT_COMMANDS, 10, 10), 0);
    account_give(a, 0, LIMIT_OBJECTS, 7);
    assert_int_equal(objects_held(a), 4);
}

static void
a_freed_slot_gives_its_allowances_back(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;

    assert_int_equal(account_take(a, 0, LIMIT_OBJECTS, 10, 6), 0);
    assert_int_equal(account_take(a, 1, LIMIT_OBJECTS, 10, 1), 0);
    /* Killed after its slot was written and before the sum was. */
    atomic_fetch_add(&a->slot[0].held[LIMIT_OBJECTS], 3);
    account_slot_free(a, 0);
    assert_int_equal(objects_held(a), 1);
    assert_int_equal(account_take(a, 0, LIMIT_OBJECTS, 10, 9), 0);
}

static void
a_slot_does_not_tell_the_limit_that_another_met(void **state)
{
    struct account_page *a = ((struct file *)*state)->a;
    int i = account_slot_take(a);

    atomic_store(&a->slot[i].limit_reached, LIMIT_OBJECTS + 1u);
    account_slot_free(a, (unsigned)i);
    assert_int_equal(account_slot_take(a), i);
    assert_int_equal(atomic_load(&a->slot[i].limit_reached), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_limit_is_exact_to_the_byte),
        TEST(a_request_that_would_overflow_is_refused),
        TEST(released_bytes_can_be_reserved_again),
        TEST(a_slot_gives_back_no_more_than_it_holds),
        TEST(two_processes_that_race_never_exceed_the_limit),
        TEST(a_process_that_dies_with_the_lock_blocks_nobody),
        TEST(a_death_between_slot_and_sum_is_mended),
        TEST(the_manager_takes_a_dead_workers_lock_at_once),
        TEST(a_worker_that_writes_into_the_lock_does_not_hold_up_the_manager),
        TEST(a_limit_holds_for_all_slots_together),
        TEST(a_freed_slot_gives_its_allowances_back),
        TEST(a_slot_does_not_tell_the_limit_that_another_met),
        TEST(slots_are_given_out_once),
        TEST(a_freed_slot_gives_its_bytes_back),
        TEST(the_peak_is_of_all_slots_together),
        TEST(a_forged_count_of_slots_is_cut),
        TEST(a_slot_tells_its_next_user_nothing_of_the_last),
        TEST(the_file_is_its_owners_alone),
        TEST(who_maps_it_sees_the_same_account),
        TEST(a_new_account_replaces_the_old_one),
        TEST(a_file_of_another_version_is_refused),
        TEST(a_file_that_is_too_short_is_refused),
        TEST(a_recall_is_over_when_all_have_answered),
        TEST(a_recall_that_nobody_answers_times_out),
        TEST(the_asker_does_not_wait_for_itself),
        TEST(a_slot_is_waited_for_until_it_is_freed),
        TEST(sessions_that_are_not_live_need_not_answer),
        TEST(a_new_session_is_not_asked_for_an_old_recall),
        TEST(sleeping_for_a_recall_ends_with_the_time_or_the_word),
        cmocka_unit_test(start_times_tell_processes_apart),
    };

    return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
