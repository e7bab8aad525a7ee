/* SPDX-License-Identifier: MIT */
/* fixture.h - a folder of its own for each test, which is the current one meanwhile. */
#ifndef OFFICE_TESTS_FIXTURE_H
#define OFFICE_TESTS_FIXTURE_H

#include <stddef.h>

/* cmocka's setup and teardown. */
int fixture_enter(void **state);
int fixture_leave(void **state);

/* In place of what is in the file from there on. */
void fixture_write(const char *path, long at, const void *bytes, size_t size);

#define FOLDER_TEST(name)                                                                \
    cmocka_unit_test_setup_teardown(name, fixture_enter, fixture_leave)

#endif
