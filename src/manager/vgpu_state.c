/* SPDX-License-Identifier: MIT */
#include "manager/vgpu_state.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "manager/fields.h"
#include "manager/snapshot_head.h"
#include "manager/words.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The file's version stands before the rest: it decides how the rest reads. */
struct state_version {
    uint64_t version;
};

static const struct field version_fields[] = {
    FIELD(struct state_version, version, FIELD_U64, true),
};
static const struct field_table version_table = {version_fields, 1, true};

#define OWNER_FIELD(member)                                                              \
    {                                                                                    \
#member, FIELD_U64, true, offsetof(struct vgpu_state, owner.member),             \
            sizeof(uint64_t), NULL                                                       \
    }

static const struct field owner_fields[] = {
    OWNER_FIELD(pid),
    OWNER_FIELD(start_ticks),
};
static const struct field_table owner_table = {owner_fields, 2, false};

#define VM_FIELD(member, kind, required)                                                 \
    {                                                                                    \
#member, kind, required, offsetof(struct vgpu_state, vm.member),                 \
            sizeof(((struct vgpu_state *)0)->vm.member), NULL                            \
    }

static const struct field vm_fields[] = {
    VM_FIELD(attached, FIELD_BOOL, true), VM_FIELD(has_uid, FIELD_BOOL, true),
    VM_FIELD(uid, FIELD_U64, true),       VM_FIELD(domain, FIELD_STRING, true),
    VM_FIELD(label, FIELD_STRING, false),
};
static const struct field_table vm_table = {vm_fields, 5, false};

struct suspended_words {
    char number[SNAPSHOT_NUMBER_BYTES], file[SNAPSHOT_PATH_BYTES],
        moved[MOVED_PATH_BYTES];
    bool own;
};

static const struct field suspended_fields[] = {
    FIELD(struct suspended_words, number, FIELD_STRING, true),
    FIELD(struct suspended_words, own, FIELD_BOOL, true),
    FIELD(struct suspended_words, file, FIELD_STRING, false),
    FIELD(struct suspended_words, moved, FIELD_STRING, false),
};
static const struct field_table suspended_table = {suspended_fields, 4, false};

struct state_suspended {
    struct suspended_words suspended;
};

static const struct field state_suspended_fields[] = {
    {"suspended", FIELD_OBJECT, false, 0, 0, &suspended_table},
};
static const struct field_table state_suspended_table = {state_suspended_fields, 1, true};

static const struct field state_fields[] = {
    FIELD(struct vgpu_state, name, FIELD_STRING, true),
    FIELD(struct vgpu_state, uuid, FIELD_STRING, true),
    FIELD(struct vgpu_state, gpu, FIELD_STRING, true),
    FIELD(struct vgpu_state, type, FIELD_STRING, true),
    FIELD(struct vgpu_state, passthrough, FIELD_BOOL, true),
    FIELD(struct vgpu_state, framebuffer_bytes, FIELD_U64, true),
    FIELD(struct vgpu_state, start_bytes, FIELD_U64, true),
    FIELD(struct vgpu_state, max_instances, FIELD_U64, true),
    FIELD(struct vgpu_state, owner_uid, FIELD_U64, true),
    FIELD(struct vgpu_state, created_unix, FIELD_U64, true),
    {"owner", FIELD_OBJECT, false, 0, 0, &owner_table},
    {"vm", FIELD_OBJECT, false, 0, 0, &vm_table},
};
static const struct field_table state_table = {
    state_fields, sizeof state_fields / sizeof *state_fields, true};

static int
state_check(const struct vgpu_state *s, struct err *e)
{
    const char *problem = vgpu_name_problem(s->name);

    if (problem)
        return err_set(e, -EINVAL, "the name '%s' %s", s->name, problem);
    if (!s->gpu[0] || !s->type[0] || strlen(s->uuid) != UUID_TEXT_BYTES - 1)
        return err_set(e, -EINVAL, "'gpu', 'type' or 'uuid' is not one");
    if (s->max_instances < 1 || s->max_instances > UINT_MAX)
        return err_set(e, -EINVAL, "'max_instances' is out of range");
    if (s->framebuffer_bytes == 0 || s->start_bytes > INT64_MAX - s->framebuffer_bytes)
        return err_set(e, -EINVAL, "'framebuffer_bytes' is out of range");
    if (s->vm.label[0] && (problem = vgpu_name_problem(s->vm.label)))
        return err_set(e, -EINVAL, "the label '%s' %s", s->vm.label, problem);
    if (s->owner.pid > INT_MAX || s->owner_uid > UINT_MAX || s->vm.uid > UINT_MAX)
        return err_set(e, -EINVAL, "the owner is out of range");
    if (s->owner.pid == 0 && s->owner.start_ticks != 0)
        return err_set(e, -EINVAL, "the owner has a start time but no pid");
    return 0;
}

static int
suspended_parse(const char *buf, size_t len, struct vgpu_suspended_state *ret,
                struct err *e)
{
    _cleanup_free_ struct state_suspended *s = calloc(1, sizeof *s);
    int rc;

    if (!s)
        return err_set(e, -ENOMEM, "out of memory");
    rc = fields_parse(buf, len, &state_suspended_table, s, e);
    if (rc < 0)
        return rc;
    if (!s->suspended.number[0])
        return 0;
    if (snapshot_number_parse(s->suspended.number, &ret->number) < 0)
        return err_set(e, -EINVAL, "the snapshot's number is none");
    ret->own = s->suspended.own;
    text_copy(ret->file, sizeof ret->file, s->suspended.file);
    text_copy(ret->moved, sizeof ret->moved, s->suspended.moved);
    return 0;
}

int
vgpu_state_parse(const char *buf, size_t len, struct vgpu_state *ret, struct err *e)
{
    struct state_version v = {0};
    struct vgpu_state s = {0};
    int rc;

    rc = fields_parse(buf, len, &version_table, &v, e);
    if (rc < 0)
        return rc;
    if (v.version != VGPU_STATE_VERSION)
        return err_set(e, -EINVAL, "written by another version (%llu, we read %d)",
                       (unsigned long long)v.version, VGPU_STATE_VERSION);
    rc = fields_parse(buf, len, &state_table, &s, e);
    if (rc == 0)
        rc = state_check(&s, e);
    if (rc == 0)
        rc = suspended_parse(buf, len, &s.suspended, e);
    if (rc == 0)
        *ret = s;
    return rc;
}

static json_t *
suspended_json(const struct vgpu_suspended_state *s)
{
    char number[SNAPSHOT_NUMBER_BYTES];

    snapshot_number_format(s->number, number);
    return json_pack("{ss sb so so}", "number", number, "own", (int)s->own, "file",
                     s->file[0] ? json_string(s->file) : json_null(), "moved",
                     s->moved[0] ? json_string(s->moved) : json_null());
}

char *
vgpu_state_format(const struct vgpu_state *s)
{
    json_t *o = json_pack(
        "{si ss ss ss ss sb sI sI sI sI sI}", "version", VGPU_STATE_VERSION, "name",
        s->name, "uuid", s->uuid, "gpu", s->gpu, "type", s->type, "passthrough",
        (int)s->passthrough, "framebuffer_bytes", (json_int_t)s->framebuffer_bytes,
        "start_bytes", (json_int_t)s->start_bytes, "max_instances",
        (json_int_t)s->max_instances, "owner_uid", (json_int_t)s->owner_uid,
        "created_unix", (json_int_t)s->created_unix);
    char *text;

    if (o && s->owner.pid)
        json_object_set_new(o, "owner",
                            json_pack("{sI sI}", "pid", (json_int_t)s->owner.pid,
                                      "start_ticks", (json_int_t)s->owner.start_ticks));
    if (o && s->vm.attached)
        json_object_set_new(o, "vm",
                            json_pack("{sb sb sI ss ss*}", "attached", 1, "has_uid",
                                      (int)s->vm.has_uid, "uid", (json_int_t)s->vm.uid,
                                      "domain", s->vm.domain, "label",
                                      s->vm.label[0] ? s->vm.label : NULL));
    if (o && s->suspended.number)
        json_object_set_new(o, "suspended", suspended_json(&s->suspended));
    text = json_dumps(o, JSON_INDENT(2));
    json_decref(o);
    return text;
}

int
vgpu_state_save(const char *folder, const struct vgpu_state *s, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s.json", folder, s->name);
    _cleanup_free_ char *text = vgpu_state_format(s);
    int rc;

    if (!path || !text)
        return err_set(e, -ENOMEM, "out of memory");
    rc = write_file_atomic(path, text, strlen(text), 0600);
    if (rc < 0)
        return err_set(e, rc, "cannot write %s: %s", path, strerror(-rc));
    return 0;
}

void
vgpu_state_remove(const char *folder, const char *name)
{
    _cleanup_free_ char *path = str_printf("%s/%s.json", folder, name);

    if (path)
        unlink(path);
}

/* The file's name is the vGPU's, or another file with the same vGPU might be
 * there too.
 */
static int
state_check_file_name(const struct vgpu_state *s, const char *file, struct err *e)
{
    size_t n = strlen(s->name);

    if (strncmp(file, s->name, n) == 0 && strcmp(file + n, ".json") == 0)
        return 0;
    return err_set(e, -EINVAL, "it describes '%s'", s->name);
}

int
vgpu_state_load(const char *folder, const char *file, struct vgpu_state *ret,
                struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s", folder, file);
    _cleanup_free_ char *aside = str_printf("%s/%s.damaged", folder, file);
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    int rc;

    if (!path || !aside)
        return err_set(e, -ENOMEM, "out of memory");
    rc = read_file(path, VGPU_STATE_MAX_BYTES, &text, &len);
    if (rc < 0 && rc != -EFBIG)
        return err_set(e, rc, "cannot read %s: %s", path, strerror(-rc));
    if (rc == -EFBIG)
        err_set(e, rc, "larger than %d bytes", VGPU_STATE_MAX_BYTES);
    else
        rc = vgpu_state_parse(text, len, ret, e);
    if (rc == 0)
        rc = state_check_file_name(ret, file, e);
    if (rc == 0)
        return 0;
    if (rename(path, aside) < 0)
        return err_wrap(e, "state file %s is damaged and cannot be set aside", path);
    return err_wrap(e, "state file %s is damaged, set aside as %s.damaged", path, file);
}
