/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include "base/cleanup.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What would help, by the manager's word for the error. */
static const struct {
    const char *code, *hint;
} hints[] = {
    {"name-taken", "'tessera list' shows the names in use"},
    {"not-found",
     "'tessera list', 'tessera types' and 'tessera gpus' show what there is"},
    {"in-use", "'tessera list' shows what is in use, 'tessera types' what still fits"},
    {"no-space", "'tessera list' shows what is in use, 'tessera types' what still fits"},
};

static void
note(const char *words)
{
    fprintf(stderr, "tessera: %s\n", words);
}

struct client *
cli_client(bool no_start, int status)
{
    const struct client_options o = {.no_start = no_start, .note = note};
    _cleanup_err_ struct err e = ERR_INIT;
    struct client *c;

    if (client_new(&o, &c, &e) == 0)
        return c;
    fprintf(stderr, "tessera: %s\n", err_msg(&e));
    exit(status);
}

int
cli_fail(const struct client *c, struct err *e, const char *task, ...)
{
    const char *code = c ? client_error_code(c) : "";
    char words[256];
    va_list ap;

    va_start(ap, task);
    vsnprintf(words, sizeof words, task, ap);
    va_end(ap);
    fprintf(stderr, "tessera: %s: %s\n", words, err_msg(e));
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        if (strcmp(hints[i].code, code) == 0)
            fprintf(stderr, "hint: %s\n", hints[i].hint);
    }
    return EXIT_FAILED;
}

int
cli_get(struct client *c, const char *path, json_t **ret, const char *task)
{
    _cleanup_err_ struct err e = ERR_INIT;

    if (client_call(c, "GET", path, NULL, ret, &e) == 0)
        return 0;
    return cli_fail(c, &e, "%s", task);
}

void
cli_print(const json_t *answer, bool json, void (*table)(const json_t *answer))
{
    if (!json) {
        table(answer);
        return;
    }
    json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}

int
cli_show(const char *path, const char *task, bool json,
         void (*table)(const json_t *answer))
{
    struct client *c = cli_client(false, EXIT_FAILED);
    json_t *answer;
    int rc = cli_get(c, path, &answer, task);

    if (rc == 0) {
        cli_print(answer, json, table);
        json_decref(answer);
    }
    client_free(c);
    return rc;
}

void
cli_warn(void)
{
    struct client *c = cli_client(true, EXIT_FAILED);
    const json_t *warnings;
    json_t *answer = NULL;

    client_call(c, "GET", "/v1/status", NULL, &answer, NULL);
    warnings = json_object_get(answer, "warnings");
    for (size_t i = 0; i < json_array_size(warnings); i++)
        fprintf(stderr, "tessera: warning: %s\n",
                json_string_value(json_array_get(warnings, i)));
    json_decref(answer);
    client_free(c);
}

bool
cli_colours(void)
{
    const char *none = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && (!none || !none[0]);
}

const char *
json_text_of(const json_t *o, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : fallback;
}

uint64_t
json_u64_of(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}
