/* SPDX-License-Identifier: MIT */
/*
 * tessera snapshot: what a snapshot holds, and whether it is whole. It asks no manager, and knows
 * of the content only the first stream, the manager's; what follows is one stream a session.
 */
#include "snapshot/snapshot.h"
#include "base/args.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/operation.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "policy/types.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BAR_AFTER_MS 1000
#define HEAD_KIND 1u               /* of the manager's section */
#define HEAD_MAX_BYTES (16u << 20) /* thousands of sessions */

struct reading {
    int fd;
    uint64_t size, at; /* of a file; 0: not known */
};

static void
cleanup_readerp(struct snapshot_reader **r)
{
    snapshot_reader_free(*r);
}

/* Where it is; so that each stream's length can be told. */
static void
note_place(struct reading *r)
{
    const off_t at = lseek(r->fd, 0, SEEK_CUR);

    r->at = at > 0 ? (uint64_t)at : 0;
    operation_progress(NULL, "reading", r->at, r->size);
}

/* The head. */

static int
read_text(struct snapshot_reader *s, char **ret, size_t *ret_len, struct err *e)
{
    _cleanup_free_ char *text = malloc(HEAD_MAX_BYTES);
    ssize_t n;

    if (!text)
        return err_set(e, -ENOMEM, "out of memory");
    n = snapshot_get(s, text, HEAD_MAX_BYTES, e);
    if (n < 0)
        return (int)n;
    *ret_len = (size_t)n;
    *ret = take_ptr(text);
    return 0;
}

static int
read_json(struct snapshot_reader *s, json_t **ret, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    json_t *head;
    int rc = read_text(s, &text, &len, e);

    if (rc < 0)
        return rc;
    head = json_loadb(text, len, 0, NULL);
    if (!json_is_string(json_object_get(head, "name")) ||
        !json_is_array(json_object_get(head, "sessions"))) {
        json_decref(head);
        return err_set(e, -EBADMSG, "what the snapshot says of its vGPU makes no sense");
    }
    *ret = head;
    return 0;
}

static int
read_head(struct reading *r, json_t **ret, struct err *e)
{
    _cleanup_(cleanup_readerp) struct snapshot_reader *s = NULL;
    struct snapshot_section section;
    json_t *head = NULL;
    int rc = snapshot_reader_new(r->fd, &s, e);

    if (rc == 0)
        rc = snapshot_next(s, &section, e);
    if (rc == 0 && section.kind != HEAD_KIND)
        return err_set(e, -EBADMSG, "the snapshot does not begin with its vGPU");
    if (rc == 0)
        rc = read_json(s, &head, e);
    while (rc == 0 && section.kind != 0)
        rc = snapshot_next(s, &section, e);
    if (rc == 0)
        *ret = json_incref(head);
    json_decref(head);
    note_place(r);
    return rc;
}

/* The sessions. */

static int
read_session(struct reading *r, json_t *session, struct err *e)
{
    _cleanup_(cleanup_readerp) struct snapshot_reader *s = NULL;
    struct snapshot_section section = {.kind = 1};
    const uint64_t begin = r->at;
    int rc = snapshot_reader_new(r->fd, &s, e);

    while (rc == 0 && section.kind != 0) {
        rc = snapshot_next(s, &section, e);
        note_place(r);
    }
    if (rc < 0)
        return rc;
    json_object_set_new(session, "sections", json_integer((json_int_t)section.number));
    json_object_set_new(session, "stored_bytes",
                        r->size ? json_integer((json_int_t)(r->at - begin))
                                : json_null());
    return 0;
}

static int
read_sessions(struct reading *r, const json_t *sessions, struct err *e)
{
    const size_t n = json_array_size(sessions);

    for (size_t i = 0; i < n; i++) {
        json_t *session = json_array_get(sessions, i);
        int rc = read_session(r, session, e);

        if (rc < 0) {
            err_wrap(e, "session %zu of %zu ('%s')", i + 1, n,
                     json_text_of(session, "program", "?"));
            return rc;
        }
    }
    return 0;
}

static int
read_all(struct reading *r, json_t **ret, struct err *e)
{
    json_t *head = NULL;
    char more;
    int rc = read_head(r, &head, e);

    if (rc == 0)
        rc = read_sessions(r, json_object_get(head, "sessions"), e);
    if (rc == 0 && read_exact(r->fd, &more, 1) == 0)
        rc = err_set(e, -EBADMSG, "more follows after the last session");
    if (rc == 0) {
        json_object_set_new(head, "stored_bytes",
                            r->size ? json_integer((json_int_t)r->size) : json_null());
        *ret = json_incref(head);
    }
    json_decref(head);
    return rc;
}

/* Printing. */

static const struct table_column columns[] = {
    {"PROGRAM", false}, {"PROCESS", true}, {"IN", false},
    {"SECTIONS", true}, {"SIZE", true},
};

static const char *
place_of(const json_t *session)
{
    if (json_is_integer(json_object_get(session, "vm_port")))
        return "virtual machine";
    return json_is_true(json_object_get(session, "container")) ? "container" : "-";
}

static void
print_sessions(const json_t *sessions)
{
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < json_array_size(sessions); i++) {
        const json_t *s = json_array_get(sessions, i);
        struct table_row *row = table_row(t);

        table_set(row, 0, json_text_of(s, "program", "-"));
        table_set_number(row, 1, json_u64_of(s, "guest_pid"));
        table_set(row, 2, place_of(s));
        table_set_number(row, 3, json_u64_of(s, "sections"));
        table_set_size(row, 4, json_u64_of(s, "stored_bytes"));
    }
    table_print(t);
}

static void
print_snapshot(const json_t *head)
{
    const json_t *sessions = json_object_get(head, "sessions");
    char framebuffer[SIZE_TEXT_BYTES], size[SIZE_TEXT_BYTES];

    size_format(json_u64_of(head, "framebuffer_bytes"), framebuffer, sizeof framebuffer);
    size_format(json_u64_of(head, "stored_bytes"), size, sizeof size);
    printf("vGPU Name    : %s\n", json_text_of(head, "name", "-"));
    printf("vGPU Type    : %s\n", json_text_of(head, "type", "-"));
    printf("Framebuffer  : %s\n", framebuffer);
    printf("GPU          : %s\n", json_text_of(head, "gpu", "-"));
    printf("Device       : %s\n", json_text_of(head, "device", "-"));
    printf("Driver       : %s\n", json_text_of(head, "driver", "-"));
    printf("Size         : %s\n", json_u64_of(head, "stored_bytes") ? size : "-");
    printf("Sessions     : %zu\n", json_array_size(sessions));
    if (json_array_size(sessions) > 0)
        print_sessions(sessions);
}

int
cmd_snapshot(int argc, char **argv)
{
    static const struct args_usage usage = {
        .words = "FILE|-",
        .min_words = 1,
        .max_words = 1,
        .doc = "Shows what a snapshot holds, and checks that it is whole: the first part "
               "that is damaged or missing is named. It needs no manager.",
    };
    _cleanup_err_ struct err e = ERR_INIT;
    struct reading r = {0};
    struct args a = {0};
    json_t *head = NULL;
    struct stat st;
    int rc;

    args_parse(&usage, argc, argv, &a);
    r.fd = operation_open(a.words[0], NULL, &e);
    if (r.fd >= 0 && fstat(r.fd, &st) == 0 && S_ISREG(st.st_mode))
        r.size = (uint64_t)st.st_size;
    progress_start_late(BAR_AFTER_MS);
    rc = r.fd < 0 ? r.fd : read_all(&r, &head, &e);
    progress_end();
    if (rc < 0)
        rc = cli_fail(NULL, &e, "snapshot '%s'", a.words[0]);
    else
        cli_print(head, a.json, print_snapshot);
    json_decref(head);
    cleanup_closep(&r.fd);
    return rc;
}
