/* SPDX-License-Identifier: MIT */
#include "manager/snapshot_head.h"

#include "base/cleanup.h"
#include "manager/fields.h"
#include "manager/words.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define ABSENT UINT64_MAX

struct head_version {
    uint64_t version;
};

static const struct field version_fields[] = {
    FIELD(struct head_version, version, FIELD_U64, true),
};
static const struct field_table version_table = {version_fields, 1, true};

struct head_words {
    char number[SNAPSHOT_NUMBER_BYTES];
    struct snapshot_head head;
};

#define HEAD_FIELD(member, kind)                                                         \
    {                                                                                    \
#member, kind, true, offsetof(struct head_words, head.member),                   \
            sizeof(((struct head_words *)0)->head.member), NULL                          \
    }

static const struct field head_fields[] = {
    FIELD(struct head_words, number, FIELD_STRING, true),
    HEAD_FIELD(name, FIELD_STRING),
    HEAD_FIELD(uuid, FIELD_STRING),
    HEAD_FIELD(type, FIELD_STRING),
    HEAD_FIELD(gpu, FIELD_STRING),
    HEAD_FIELD(device, FIELD_STRING),
    HEAD_FIELD(driver, FIELD_STRING),
    HEAD_FIELD(framebuffer_bytes, FIELD_U64),
    HEAD_FIELD(software, FIELD_BOOL),
    HEAD_FIELD(discrete, FIELD_BOOL),
};
static const struct field_table head_table = {
    head_fields, sizeof head_fields / sizeof *head_fields, true};

struct session_words {
    char token[TOKEN_TEXT_BYTES];
    char program[ACCOUNT_PROGRAM_BYTES], boot_id[BOOT_ID_BYTES];
    uint64_t guest_pid, guest_start_ticks, vm_port, slot;
    bool container;
};

static const struct field session_fields[] = {
    FIELD(struct session_words, token, FIELD_STRING, true),
    FIELD(struct session_words, program, FIELD_STRING, true),
    FIELD(struct session_words, guest_pid, FIELD_U64, true),
    FIELD(struct session_words, guest_start_ticks, FIELD_U64, true),
    FIELD(struct session_words, boot_id, FIELD_STRING, true),
    FIELD(struct session_words, container, FIELD_BOOL, true),
    FIELD(struct session_words, vm_port, FIELD_U64, false),
    FIELD(struct session_words, slot, FIELD_U64, true),
};
static const struct field_table session_table = {
    session_fields, sizeof session_fields / sizeof *session_fields, true};

struct program_words {
    char program[ACCOUNT_PROGRAM_BYTES], boot_id[BOOT_ID_BYTES];
    uint64_t pid, start_ticks, used_bytes;
};

static const struct field program_fields[] = {
    FIELD(struct program_words, program, FIELD_STRING, true),
    FIELD(struct program_words, boot_id, FIELD_STRING, true),
    FIELD(struct program_words, pid, FIELD_U64, true),
    FIELD(struct program_words, start_ticks, FIELD_U64, true),
    FIELD(struct program_words, used_bytes, FIELD_U64, true),
};
static const struct field_table program_table = {
    program_fields, sizeof program_fields / sizeof *program_fields, true};

/* ---- numbers and tokens ----------------------------------------------------------------- */

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
hex_parse(const char *text, uint8_t *ret, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const int high = hex_digit(text[2 * i]);
        const int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);

        if (low < 0)
            return -EINVAL;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * n] == '\0' ? 0 : -EINVAL;
}

int
snapshot_number_parse(const char *text, uint64_t *ret)
{
    uint8_t bytes[sizeof *ret];
    uint64_t number = 0;

    if (hex_parse(text, bytes, sizeof bytes) < 0)
        return -EINVAL;
    for (size_t i = 0; i < sizeof bytes; i++)
        number = number << 8 | bytes[i];
    if (number == 0)
        return -EINVAL;
    *ret = number;
    return 0;
}

void
snapshot_number_format(uint64_t number, char text[SNAPSHOT_NUMBER_BYTES])
{
    snprintf(text, SNAPSHOT_NUMBER_BYTES, "%016" PRIx64, number);
}

int
token_parse(const char *text, uint8_t ret[CONTROL_TOKEN_BYTES])
{
    const int rc = hex_parse(text, ret, CONTROL_TOKEN_BYTES);

    return rc == 0 && token_is_zero(ret) ? -EINVAL : rc;
}

void
token_format(const uint8_t token[CONTROL_TOKEN_BYTES], char text[TOKEN_TEXT_BYTES])
{
    for (size_t i = 0; i < CONTROL_TOKEN_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", token[i]);
}

bool
token_is_zero(const uint8_t token[CONTROL_TOKEN_BYTES])
{
    static const uint8_t zero[CONTROL_TOKEN_BYTES];

    return memcmp(token, zero, sizeof zero) == 0;
}

/* ---- a machine's memory ------------------------------------------------------------------- */

void
snapshot_bar_take(struct snapshot_head *h, const struct bar_map *m)
{
    unsigned before = BAR_MAP_FREE;

    h->nextents = 0;
    for (unsigned i = 1; i < BAR_MAP_CHUNKS; i++) {
        const unsigned owner = atomic_load(&m->owner[i]);

        if (owner >= 1 && owner <= ACCOUNT_SLOTS) {
            if (owner != before || atomic_load(&m->first[i]))
                h->extents[h->nextents++] =
                    (struct snapshot_extent){(uint16_t)(owner - 1), (uint16_t)i, 0};
            h->extents[h->nextents - 1].n++;
        }
        before = owner;
    }
}

void
snapshot_bar_put(const struct snapshot_head *h, unsigned from, struct bar_map *m,
                 unsigned slot)
{
    for (unsigned i = 0; i < h->nextents; i++) {
        const struct snapshot_extent *x = &h->extents[i];

        for (unsigned k = x->first; x->slot == from && k < x->first + x->n; k++) {
            atomic_store(&m->first[k], k == x->first);
            atomic_store(&m->owner[k], (uint8_t)(slot + 1));
        }
    }
}

/* ---- reading ---------------------------------------------------------------------------- */

static int
session_parse(const json_t *o, struct snapshot_session *ret, struct err *e)
{
    struct session_words w = {.vm_port = ABSENT};
    int rc = fields_read(o, &session_table, &w, e);

    if (rc < 0)
        return rc;
    if (token_parse(w.token, ret->token) < 0)
        return err_set(e, -EINVAL, "'token' is none");
    if (w.guest_pid > INT_MAX || w.slot >= ACCOUNT_SLOTS ||
        (w.vm_port != ABSENT && w.vm_port >= INT_MAX))
        return err_set(e, -EINVAL, "a number is out of range");
    ret->guest = (struct process_id){w.guest_pid, w.guest_start_ticks};
    ret->container = w.container;
    ret->vm_port = w.vm_port == ABSENT ? 0 : w.vm_port + 1;
    ret->slot = w.slot;
    printable_copy(ret->program, w.program, sizeof ret->program);
    text_copy(ret->boot_id, sizeof ret->boot_id, w.boot_id);
    return 0;
}

static bool
token_is_taken(const struct snapshot_head *h, unsigned i)
{
    for (unsigned k = 0; k < i; k++) {
        if (memcmp(h->sessions[k].token, h->sessions[i].token, CONTROL_TOKEN_BYTES) == 0)
            return true;
    }
    return false;
}

static int
sessions_parse(const json_t *list, struct snapshot_head *h, struct err *e)
{
    if (!json_is_array(list) || json_array_size(list) > ACCOUNT_SLOTS)
        return err_set(e, -EINVAL, "'sessions' is not a list of at most %d",
                       ACCOUNT_SLOTS);
    h->nsessions = (unsigned)json_array_size(list);
    for (unsigned i = 0; i < h->nsessions; i++) {
        const int rc = session_parse(json_array_get(list, i), &h->sessions[i], e);

        if (rc < 0)
            return err_wrap(e, "session %u", i);
        if (token_is_taken(h, i))
            return err_set(e, -EINVAL, "two sessions have one token");
    }
    return 0;
}

static int
programs_parse(const json_t *list, struct snapshot_head *h, struct err *e)
{
    if (!list)
        return 0; /* written before there were any */
    if (!json_is_array(list) || json_array_size(list) > ACCOUNT_SLOTS)
        return err_set(e, -EINVAL, "'programs' is not a list of at most %d",
                       ACCOUNT_SLOTS);
    h->nprograms = (unsigned)json_array_size(list);
    for (unsigned i = 0; i < h->nprograms; i++) {
        struct program_words w = {0};
        struct snapshot_program *p = &h->programs[i];
        const int rc = fields_read(json_array_get(list, i), &program_table, &w, e);

        if (rc < 0)
            return err_wrap(e, "program %u", i);
        if (w.pid == 0 || w.pid > INT_MAX)
            return err_set(e, -EINVAL, "program %u: 'pid' is none", i);
        p->process = (struct process_id){w.pid, w.start_ticks};
        p->used_bytes = w.used_bytes;
        printable_copy(p->program, w.program, sizeof p->program);
        text_copy(p->boot_id, sizeof p->boot_id, w.boot_id);
    }
    return 0;
}

static int
number_parse(const json_t *list, size_t i, unsigned least, unsigned most, uint16_t *ret)
{
    const json_t *n = json_array_get(list, i);

    if (!json_is_integer(n) || json_integer_value(n) < least ||
        json_integer_value(n) > most)
        return -EINVAL;
    *ret = (uint16_t)json_integer_value(n);
    return 0;
}

/* Each begins where the one before has ended, or later; the first chunk is nobody's. */
static int
extent_parse(const json_t *list, unsigned least, struct snapshot_extent *ret)
{
    if (json_array_size(list) != 3 ||
        number_parse(list, 0, 0, ACCOUNT_SLOTS - 1, &ret->slot) < 0 ||
        number_parse(list, 1, least, BAR_MAP_CHUNKS - 1, &ret->first) < 0)
        return -EINVAL;
    return number_parse(list, 2, 1, BAR_MAP_CHUNKS - ret->first, &ret->n);
}

static int
extents_parse(const json_t *list, struct snapshot_head *h, struct err *e)
{
    unsigned least = 1;

    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > BAR_MAP_CHUNKS)
        return err_set(e, -EINVAL, "'bar' is not a list of extents");
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct snapshot_extent *x = &h->extents[i];

        if (extent_parse(json_array_get(list, i), least, x) < 0)
            return err_set(e, -EINVAL, "'bar': extent %zu is none", i);
        least = x->first + x->n;
    }
    h->nextents = (unsigned)json_array_size(list);
    return 0;
}

static int
head_check(struct head_words *w, struct err *e)
{
    const char *problem = vgpu_name_problem(w->head.name);

    if (problem)
        return err_set(e, -EINVAL, "the name '%s' %s", w->head.name, problem);
    if (snapshot_number_parse(w->number, &w->head.number) < 0)
        return err_set(e, -EINVAL, "'number' is none");
    if (w->head.framebuffer_bytes == 0)
        return err_set(e, -EINVAL, "'framebuffer_bytes' is 0");
    return 0;
}

static int
head_read(const json_t *o, struct snapshot_head *ret, struct err *e)
{
    _cleanup_free_ struct head_words *w = calloc(1, sizeof *w);
    struct head_version v = {0};
    int rc;

    if (!w)
        return err_set(e, -ENOMEM, "out of memory");
    rc = fields_read(o, &version_table, &v, e);
    if (rc == 0 && v.version != SNAPSHOT_HEAD_VERSION)
        rc = err_set(e, -EINVAL, "written by another version (%llu, we read %d)",
                     (unsigned long long)v.version, SNAPSHOT_HEAD_VERSION);
    if (rc == 0)
        rc = fields_read(o, &head_table, w, e);
    if (rc == 0)
        rc = head_check(w, e);
    if (rc == 0)
        rc = sessions_parse(json_object_get(o, "sessions"), &w->head, e);
    if (rc == 0)
        rc = programs_parse(json_object_get(o, "programs"), &w->head, e);
    if (rc == 0)
        rc = extents_parse(json_object_get(o, "bar"), &w->head, e);
    if (rc == 0)
        *ret = w->head;
    return rc;
}

int
snapshot_head_parse(const char *buf, size_t len, struct snapshot_head *ret, struct err *e)
{
    json_t *o = NULL;
    int rc = fields_load(buf, len, &o, e);

    if (rc < 0)
        return rc;
    rc = head_read(o, ret, e);
    json_decref(o);
    return rc;
}

/* ---- writing ---------------------------------------------------------------------------- */

/* Of a driver's words: JSON has no bytes that are not text. */
static json_t *
printable_json(const char *text, size_t cap)
{
    char clean[GPU_TEXT_BYTES];

    printable_copy(clean, text, cap < sizeof clean ? cap : sizeof clean);
    return json_string(clean);
}

static json_t *
session_json(const struct snapshot_session *s)
{
    char token[TOKEN_TEXT_BYTES];

    token_format(s->token, token);
    return json_pack("{ss so sI sI so sb so sI}", "token", token, "program",
                     printable_json(s->program, sizeof s->program), "guest_pid",
                     (json_int_t)s->guest.pid, "guest_start_ticks",
                     (json_int_t)s->guest.start_ticks, "boot_id",
                     printable_json(s->boot_id, sizeof s->boot_id), "container",
                     (int)s->container, "vm_port",
                     s->vm_port ? json_integer((json_int_t)s->vm_port - 1) : json_null(),
                     "slot", (json_int_t)s->slot);
}

static json_t *
programs_json(const struct snapshot_head *h)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < h->nprograms; i++) {
        const struct snapshot_program *p = &h->programs[i];

        json_array_append_new(
            list, json_pack("{so so sI sI sI}", "program",
                            printable_json(p->program, sizeof p->program), "boot_id",
                            printable_json(p->boot_id, sizeof p->boot_id), "pid",
                            (json_int_t)p->process.pid, "start_ticks",
                            (json_int_t)p->process.start_ticks, "used_bytes",
                            (json_int_t)p->used_bytes));
    }
    return list;
}

char *
snapshot_head_format(const struct snapshot_head *h)
{
    char number[SNAPSHOT_NUMBER_BYTES], *text;
    json_t *list = json_array(), *bar = json_array(), *o;

    snapshot_number_format(h->number, number);
    for (unsigned i = 0; i < h->nsessions; i++)
        json_array_append_new(list, session_json(&h->sessions[i]));
    for (unsigned i = 0; i < h->nextents; i++)
        json_array_append_new(bar,
                              json_pack("[iii]", (int)h->extents[i].slot,
                                        (int)h->extents[i].first, (int)h->extents[i].n));
    o = json_pack(
        "{si ss ss ss ss sI so so so sb sb so so}", "version", SNAPSHOT_HEAD_VERSION,
        "number", number, "name", h->name, "uuid", h->uuid, "type", h->type,
        "framebuffer_bytes", (json_int_t)h->framebuffer_bytes, "gpu",
        printable_json(h->gpu, sizeof h->gpu), "device",
        printable_json(h->device, sizeof h->device), "driver",
        printable_json(h->driver, sizeof h->driver), "software", (int)h->software,
        "discrete", (int)h->discrete, "bar", bar, "sessions", list);
    if (h->nprograms > 0)
        json_object_set_new(o, "programs", programs_json(h));
    text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}
