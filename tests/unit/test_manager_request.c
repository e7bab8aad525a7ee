/* SPDX-License-Identifier: MIT */
#include "manager/metrics_http.h"
#include "manager/request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int
parse_create(const char *text, struct request_create *r, struct err *e)
{
    return request_parse_create(text, strlen(text), r, e);
}

static void
a_full_create_request_is_read(void **state)
{
    struct request_create r = {0};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(
        parse_create("{\"name\": \"train-0\", \"type\": \"cpu-512m\", \"gpu\": \"gpu1\"}",
                     &r, &e),
        0);
    assert_string_equal(r.name, "train-0");
    assert_string_equal(r.type, "cpu-512m");
    assert_string_equal(r.gpu, "gpu1");
    assert_false(r.passthrough);
    assert_false(r.ephemeral);
    err_fini(&e);
}

static void
null_members_count_as_absent(void **state)
{
    struct request_create r = {0};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(
        parse_create("{\"name\": \"a\", \"passthrough\": true, \"type\": null}", &r, &e),
        0);
    assert_true(r.passthrough);
    assert_string_equal(r.type, "");
    err_fini(&e);
}

static void
only_an_ephemeral_vgpu_may_lack_a_name(void **state)
{
    struct request_create r = {0};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(parse_create("{\"type\": \"cpu-1g\", \"ephemeral\": true}", &r, &e),
                     0);
    assert_int_equal(parse_create("{\"type\": \"cpu-1g\"}", &r, &e), -EINVAL);
    assert_string_equal(err_msg(&e), "'name' is missing");
    err_fini(&e);
}

static void
bad_create_requests_are_refused_with_words(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"", "not valid JSON"},
        {"{\"name\": \"a\"", "not valid JSON"},
        {"{} {}", "not valid JSON"},
        {"[]", "not a JSON object"},
        {"{\"name\": \"a\", \"name\": \"b\", \"type\": \"t\"}", "duplicate"},
        {"{\"name\": 7, \"type\": \"t\"}", "'name' must be a string"},
        {"{\"name\": \"a\", \"passthrough\": 1}", "'passthrough' must be true or false"},
        {"{\"name\": \"a\", \"tpye\": \"t\"}", "'tpye' is not a known field"},
        {"{\"name\": \"a\"}", "'type' is missing"},
        {"{\"name\": \"a\", \"type\": \"t\", \"passthrough\": true}",
         "does not go with a type"},
        {"{\"name\": \"A\", \"type\": \"t\"}", "the name 'A' "},
        {"{\"name\": \"all\", \"type\": \"t\"}", "the name 'all' is reserved"},
        {"{\"name\": \"../x\", \"type\": \"t\"}", "the name '../x' "},
        {"{\"name\": \"a\\u0000b\", \"type\": \"t\"}", "not valid JSON"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct request_create r = {.name = "untouched"};
        struct err e = ERR_INIT;

        assert_int_equal(parse_create(rows[i].text, &r, &e), -EINVAL);
        assert_non_null(strstr(err_msg(&e), rows[i].words));
        assert_string_equal(r.name, "untouched");
        err_fini(&e);
    }
}

static void
a_name_longer_than_its_room_is_refused(void **state)
{
    char text[256], name[REQUEST_NAME_BYTES + 1] = "";
    struct request_create r = {0};
    struct err e = ERR_INIT;

    (void)state;
    memset(name, 'a', REQUEST_NAME_BYTES);
    snprintf(text, sizeof text, "{\"type\": \"t\", \"name\": \"%s\"}", name);
    assert_int_equal(parse_create(text, &r, &e), -EINVAL);
    assert_string_equal(err_msg(&e), "'name' is longer than 63 characters");
    err_fini(&e);
}

static void
deep_nesting_is_refused_before_it_is_parsed(void **state)
{
    static char text[20000];
    struct request_create r = {0};
    struct err e = ERR_INIT;

    (void)state;
    memset(text, '[', sizeof text);
    assert_int_equal(request_parse_create(text, sizeof text, &r, &e), -EINVAL);
    assert_non_null(strstr(err_msg(&e), "nested deeper"));
    err_fini(&e);
}

static void
brackets_inside_strings_are_not_nesting(void **state)
{
    struct request_create r = {0};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(
        parse_create("{\"name\": \"a\", \"type\": \"[[[[[[[[[[\\\"{{{{\"}", &r, &e), 0);
    assert_string_equal(r.type, "[[[[[[[[[[\"{{{{");
    err_fini(&e);
}

static void
gpu_settings_are_read_one_by_one(void **state)
{
    static const char both[] = "{\"mode\": \"mixed-size\", \"placement\": \"pack\"}";
    static const char one[] = "{\"placement\": \"spread\"}";
    struct request_gpu r = {0};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(request_parse_gpu(both, sizeof both - 1, &r, &e), 0);
    assert_true(r.has_mode && r.has_order);
    assert_int_equal(r.mode, MIXED_SIZE);
    assert_int_equal(r.order, PACK);
    assert_int_equal(request_parse_gpu(one, sizeof one - 1, &r, &e), 0);
    assert_true(!r.has_mode && r.has_order);
    assert_int_equal(r.order, SPREAD);
    err_fini(&e);
}

static void
how_time_is_shared_out_is_read(void **state)
{
    static const char all[] = "{\"policy\": \"fixed-share\", \"slice_us\": 30000, "
                              "\"elastic_percent\": 100, \"watchdog_seconds\": 3600}";
    static const char none[] = "{\"slice_us\": 0, \"watchdog_seconds\": 0}";
    struct request_gpu r = {0};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(request_parse_gpu(all, sizeof all - 1, &r, &e), 0);
    assert_true(r.has_policy && r.has_slice && r.has_elastic && r.has_watchdog);
    assert_int_equal(r.policy, SCHED_FIXED_SHARE);
    assert_int_equal(r.slice_us, 30000);
    assert_int_equal(r.elastic_percent, 100);
    assert_int_equal(r.watchdog_seconds, 3600);
    assert_int_equal(request_parse_gpu(none, sizeof none - 1, &r, &e), 0);
    assert_true(r.has_slice && r.has_watchdog && !r.has_policy && !r.has_elastic);
    assert_int_equal(r.slice_us, 0);
    err_fini(&e);
}

static void
addresses_for_metrics_are_loopback_unless_said(void **state)
{
    static const char *const good[] = {"9400", "127.0.0.1:9400", "0.0.0.0:1",
                                       "[::1]:65535"};
    static const char *const bad[] = {
        "",  "0",     "65536", "host:1",     "1:2:3", "::1:1",   "[::1]", "1.2.3:1",
        "x", "9400 ", "[]:1",  "127.0.0.1:", ":",     "[::1:5]", "-1"};
    struct sockaddr_storage a;
    const struct sockaddr_in *v4 = (const void *)&a;
    socklen_t len;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_int_equal(metrics_address_parse(good[i], &a, &len), 0);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(metrics_address_parse(bad[i], &a, &len), -EINVAL);
    assert_int_equal(metrics_address_parse("9400", &a, &len), 0);
    assert_int_equal(ntohl(v4->sin_addr.s_addr), INADDR_LOOPBACK);
    assert_int_equal(ntohs(v4->sin_port), 9400);
}

static void
unknown_gpu_settings_are_refused(void **state)
{
    static const char *const rows[] = {"{}",
                                       "{\"mode\": \"equal\"}",
                                       "{\"placement\": \"first\"}",
                                       "{\"speed\": 1}",
                                       "{\"policy\": \"fair\"}",
                                       "{\"slice_us\": 999}",
                                       "{\"slice_us\": 30001}",
                                       "{\"slice_us\": \"2ms\"}",
                                       "{\"elastic_percent\": 101}",
                                       "{\"watchdog_seconds\": 3601}",
                                       "{\"policy\": \"equal-share\", \"slice_us\": 1}"};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct request_gpu r;
        struct err e = ERR_INIT;

        assert_int_equal(request_parse_gpu(rows[i], strlen(rows[i]), &r, &e), -EINVAL);
        err_fini(&e);
    }
}

static void
shutdown_keeps_vgpus_unless_told_otherwise(void **state)
{
    struct request_shutdown r = {.end_vgpus = true};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(request_parse_shutdown("{}", 2, &r, &e), 0);
    assert_false(r.end_vgpus);
    assert_int_equal(request_parse_shutdown("{\"vgpus\":\"end\"}", 15, &r, &e), 0);
    assert_true(r.end_vgpus);
    assert_int_equal(request_parse_shutdown("{\"vgpus\":\"eat\"}", 15, &r, &e), -EINVAL);
    err_fini(&e);
}

static void
operations_are_read(void **state)
{
    static const char clone[] = "{\"op\": \"clone\", \"vgpu\": \"a\", \"name\": \"b\"}";
    static const char suspend[] =
        "{\"op\": \"suspend\", \"vgpu\": \"a\", \"confirm\": true,"
        " \"file\": \"/x\"}";
    struct request_operation r;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(request_parse_operation(clone, sizeof clone - 1, &r, &e), 0);
    assert_int_equal(r.kind, OPERATION_CLONE);
    assert_string_equal(r.name, "b");
    assert_int_equal(request_parse_operation(suspend, sizeof suspend - 1, &r, &e), 0);
    assert_true(r.kind == OPERATION_SUSPEND && r.confirm);
    assert_string_equal(r.file, "/x");
}

static void
operations_that_make_no_sense_are_refused(void **state)
{
    static const char *const rows[] = {
        "{\"op\": \"suspend\"}",
        "{\"vgpu\": \"a\"}",
        "{\"op\": \"move\", \"vgpu\": \"a\"}",
        "{\"op\": \"clone\", \"vgpu\": \"a\"}",
        "{\"op\": \"clone\", \"vgpu\": \"a\", \"name\": \"B\"}",
        "{\"op\": \"resume\", \"vgpu\": \"a\", \"name\": \"b\"}",
        "{\"op\": \"resume\", \"vgpu\": \"../a\"}",
        "{\"op\": \"resume\", \"vgpu\": \"a\", \"confirm\": true}",
        "{\"op\": \"suspend\", \"vgpu\": \"a\", \"gpu\": \"gpu0\"}",
        "{\"op\": \"suspend\", \"vgpu\": \"a\", \"suspended\": true}",
        "{\"op\": \"resume\", \"vgpu\": \"a\", \"gpu\": \"g\", \"suspended\": true}",
        "{\"op\": \"suspend\", \"vgpu\": \"a\", \"speed\": 1}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct request_operation r;
        struct err e = ERR_INIT;

        assert_int_equal(request_parse_operation(rows[i], strlen(rows[i]), &r, &e),
                         -EINVAL);
        assert_non_null(e.msg);
        err_fini(&e);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_create_request_is_read),
        cmocka_unit_test(null_members_count_as_absent),
        cmocka_unit_test(only_an_ephemeral_vgpu_may_lack_a_name),
        cmocka_unit_test(bad_create_requests_are_refused_with_words),
        cmocka_unit_test(a_name_longer_than_its_room_is_refused),
        cmocka_unit_test(deep_nesting_is_refused_before_it_is_parsed),
        cmocka_unit_test(brackets_inside_strings_are_not_nesting),
        cmocka_unit_test(gpu_settings_are_read_one_by_one),
        cmocka_unit_test(how_time_is_shared_out_is_read),
        cmocka_unit_test(addresses_for_metrics_are_loopback_unless_said),
        cmocka_unit_test(unknown_gpu_settings_are_refused),
        cmocka_unit_test(shutdown_keeps_vgpus_unless_told_otherwise),
        cmocka_unit_test(operations_are_read),
        cmocka_unit_test(operations_that_make_no_sense_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
