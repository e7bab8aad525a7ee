/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "office/folder.h"

static struct folder folder;

int
fixture_enter(void **state)
{
    struct failure why = {0};

    (void)state;
    return folder_make(&folder, NULL, &why) < 0 || chdir(folder.path) < 0;
}

int
fixture_leave(void **state)
{
    struct failure why = {0};

    (void)state;
    return chdir("/") < 0 || folder_remove(&folder, &why) < 0;
}

void
fixture_write(const char *path, long at, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "r+");

    if (!file)
        file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}
