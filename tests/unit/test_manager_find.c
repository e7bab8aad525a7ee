/* SPDX-License-Identifier: MIT */
/* Who is taken for a worker of an earlier manager: the "worker" here is this program itself. */
#include "manager/worker_find.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "manager/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdalign.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define SLOT 3
#define OTHER_UID 65534

struct world {
    char folder[32], self[PATH_MAX];
    struct account_page account;
    struct manager m;
    pid_t pid; /* the process that the slot names */
};

/* Runs as `words` tell, and as user uid once it has begun; waits until it has. */
static void
start(struct world *w, const char *program, uid_t uid, const char *const *words)
{
    char *argv[16] = {(char *)program, "wait", NULL};
    char ready, user[16];
    int p[2], n = 3;

    snprintf(user, sizeof user, "%u", (unsigned)uid);
    argv[2] = user;
    while (*words)
        argv[n++] = (char *)*words++;
    assert_int_equal(pipe(p), 0);
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (w->pid == 0) {
        dup2(p[1], STDOUT_FILENO);
        execv(program, argv);
        _exit(127);
    }
    close(p[1]);
    assert_int_equal(read(p[0], &ready, 1), 1);
    close(p[0]);
    atomic_store(&w->account.slot[SLOT].pid, w->pid);
    atomic_store(&w->account.slot[SLOT].pid_start, process_start_ticks(w->pid));
}

static int
wait_as(const char *user)
{
    const uid_t uid = (uid_t)atoi(user);

    if (uid != geteuid() && setresuid(uid, uid, uid) < 0)
        return 1;
    if (write(STDOUT_FILENO, "r", 1) != 1)
        return 1;
    for (;;)
        pause();
}

static void
end(struct world *w)
{
    if (w->pid <= 0)
        return;
    kill(w->pid, SIGKILL);
    waitpid(w->pid, NULL, 0);
    w->pid = 0;
}

static enum worker_state
found_in(const struct world *w, unsigned slot)
{
    struct worker found;
    const enum worker_state state = worker_find(&w->m, "a", &w->account, slot, &found);

    assert_int_equal(state == WORKER_GONE, found.pidfd < 0);
    cleanup_closep(&found.pidfd);
    return state;
}

#define WORDS(...)                                                                       \
    (const char *const[])                                                                \
    {                                                                                    \
        __VA_ARGS__, NULL                                                                \
    }

static void
a_worker_of_this_vgpu_and_slot_is_found(void **state)
{
    struct world *w = *state;

    start(w, w->self, geteuid(), WORDS("--slot", "3", "--vgpu", "a"));
    assert_int_equal(found_in(w, SLOT), WORKER_FOUND);
}

static void
another_start_time_is_another_process(void **state)
{
    struct world *w = *state;

    start(w, w->self, geteuid(), WORDS("--slot", "3", "--vgpu", "a"));
    atomic_fetch_add(&w->account.slot[SLOT].pid_start, 1);
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
    atomic_store(&w->account.slot[SLOT].pid_start, 0);
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
}

static void
who_has_ended_is_gone(void **state)
{
    struct world *w = *state;
    siginfo_t info;

    start(w, w->self, geteuid(), WORDS("--slot", "3", "--vgpu", "a"));
    kill(w->pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)w->pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
    end(w);
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
}

static void
no_number_names_nobody(void **state)
{
    struct world *w = *state;

    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
    atomic_store(&w->account.slot[SLOT].pid, -1);
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
}

static void
workers_of_other_vgpus_and_slots_are_none(void **state)
{
    struct world *w = *state;

    start(w, w->self, geteuid(), WORDS("--slot", "3", "--vgpu", "b"));
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
    end(w);
    start(w, w->self, geteuid(), WORDS("--slot", "33", "--vgpu", "a"));
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
    end(w);
    start(w, w->self, geteuid(), WORDS("x--slot", "3", "--vgpu", "a", "--slot"));
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
}

static void
another_program_is_none(void **state)
{
    struct world *w = *state;

    start(w, w->self, geteuid(), WORDS("--slot", "3", "--vgpu", "a"));
    w->m.worker = "/bin/true";
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
    w->m.worker = "/does/not/exist";
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
}

static void
copy_of_self(const struct world *w, const char *to)
{
    _cleanup_free_ char *bytes = NULL;
    size_t len;

    assert_int_equal(read_file(w->self, 1u << 30, &bytes, &len), 0);
    assert_int_equal(write_file_atomic(to, bytes, len, 0755), 0);
}

static void
a_worker_whose_program_was_upgraded_is_found(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *program = str_printf("%s/worker", w->folder);
    _cleanup_free_ char *moved = str_printf("%s/moved", w->folder);

    copy_of_self(w, program);
    w->m.worker = program;
    start(w, program, geteuid(), WORDS("--slot", "3", "--vgpu", "a"));
    assert_int_equal(found_in(w, SLOT), WORKER_FOUND);
    copy_of_self(w, program);
    assert_int_equal(found_in(w, SLOT), WORKER_FOUND);
    unlink(program);
    assert_int_equal(found_in(w, SLOT), WORKER_FOUND);
    w->m.worker = moved;
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
}

static void
a_worker_runs_as_the_user_that_it_was_told(void **state)
{
    struct world *w = *state;

    if (geteuid() != 0)
        skip();
    start(w, w->self, OTHER_UID, WORDS("--slot", "3", "--vgpu", "a", "--uid", "65534"));
    assert_int_equal(found_in(w, SLOT), WORKER_FOUND);
    end(w);
    start(w, w->self, OTHER_UID, WORDS("--slot", "3", "--vgpu", "a", "--uid", "70001"));
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
    end(w);
    start(w, w->self, OTHER_UID, WORDS("--slot", "3", "--vgpu", "a"));
    assert_int_equal(found_in(w, SLOT), WORKER_GONE);
}

static int
setup(void **state)
{
    /* What the account is in is mapped, and begins at a page. */
    struct world *w = aligned_alloc(alignof(struct world), sizeof *w);
    ssize_t n;

    if (!w)
        return -1;
    memset(w, 0, sizeof *w);
    strcpy(w->folder, "/tmp/tessera-worker-XXXXXX");
    n = readlink("/proc/self/exe", w->self, sizeof w->self - 1);
    w->m.worker = w->self;
    *state = w;
    return n < 0 || !mkdtemp(w->folder);
}

static int
teardown(void **state)
{
    struct world *w = *state;

    end(w);
    remove_tree(w->folder);
    free(w);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_worker_of_this_vgpu_and_slot_is_found),
        TEST(another_start_time_is_another_process),
        TEST(who_has_ended_is_gone),
        TEST(no_number_names_nobody),
        TEST(workers_of_other_vgpus_and_slots_are_none),
        TEST(another_program_is_none),
        TEST(a_worker_whose_program_was_upgraded_is_found),
        TEST(a_worker_runs_as_the_user_that_it_was_told),
    };

    if (argc > 2 && strcmp(argv[1], "wait") == 0)
        return wait_as(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
