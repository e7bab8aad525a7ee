#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Golden tests of api/generate.py: a small description in, expected snippets out."""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

API = Path(__file__).resolve().parents[2] / "api"
ICD_HEADER = Path("/usr/include/CL/cl_icd.h")

sys.path.insert(0, str(API))
from generate import KINDS, load  # noqa: E402

SMALL = f"""
version = 1
kinds = {json.dumps(list(KINDS))}
""" + """
[clCreateContext]
section = "4.4"
returns = "cl_context"
args = ["cl_uint num_devices", "cl_int * errcode_ret"]
guest = "hand"
wire = ["new:context context"]
worker = "hand"
recipe = true

[clEnqueueCopyBuffer]
section = "5.2.2"
returns = "cl_int"
args = [
    "cl_command_queue command_queue",
    "cl_mem src_buffer",
    "size_t size",
    "cl_uint num_events_in_wait_list",
    "const cl_event * event_wait_list",
    "cl_event * event",
]
guest = "enqueue"
command = "CL_COMMAND_COPY_BUFFER"
check = true
wire = ["id:queue command_queue", "id:mem src_buffer", "u64 size", "waits event_wait_list",
        "event event"]
worker = "driver"

[clSVMAlloc]
section = "5.6.1"
returns = "void *"
args = ["cl_context context"]
guest = "refuse"
error = "CL_INVALID_OPERATION"
why = "no SVM"

[clCreateImage]
section = "5.3.1"
returns = "cl_mem"
args = ["cl_context context", "cl_int * errcode_ret"]
guest = "later"
error = "CL_INVALID_OPERATION"

[clGetDXThings]
section = "cl_khr_dx_things"
returns = "cl_int"
args = []
guest = "absent"

[clCommandCopyBufferKHR]
extension = "cl_khr_command_buffer"
returns = "cl_int"
args = [
    "cl_command_buffer_khr command_buffer",
    "cl_command_queue command_queue",
    "cl_mem src_buffer",
    "size_t size",
    "cl_uint num_sync_points_in_wait_list",
    "const cl_sync_point_khr * sync_point_wait_list",
    "cl_sync_point_khr * sync_point",
    "cl_mutable_command_khr * mutable_handle",
]
guest = "record"
check = "clEnqueueCopyBuffer"
wire = ["id:command_buffer command_buffer", "id:mem src_buffer", "u64 size",
        "syncs sync_point_wait_list"]
worker = "driver"
bounds = ["src_buffer size size"]
reply = true

[clCreateContextEXT]
extension = "cl_ext_context"
guest = "alias"
alias = "clCreateContext"

[tessera_ask]
guest = "message"
wire = ["string name", "blob source", "u64[3] size", "out answer"]
worker = "hand"
reply = true
"""


def generate(description, folder):
    path = Path(folder) / "small.toml"
    path.write_text(description)
    out = Path(folder) / "out"
    run = subprocess.run([sys.executable, str(API / "generate.py"), str(path), str(out)],
                         capture_output=True, text=True, check=False)
    return run, out


class Golden(unittest.TestCase):
    """What the small description gives."""

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            run, out = generate(SMALL, folder)
            assert run.returncode == 0, run.stderr
            cls.files = {f.name: f.read_text() for f in out.iterdir()}

    def assert_holds(self, file, *snippets):
        for s in snippets:
            self.assertIn(s, self.files[file])

    def test_ops_count_messages_in_order_from_one(self):
        self.assert_holds("opencl_wire.h", "    OP_clCreateContext = 1,\n"
                          "    OP_clEnqueueCopyBuffer = 2,\n    OP_clCommandCopyBufferKHR = 3,\n"
                          "    OP_tessera_ask = 4,\n    OPENCL_OPS = 5,\n")

    def test_kinds_are_numbered_as_described(self):
        self.assert_holds("opencl_wire.h", "KIND_any = 0,\n    KIND_context = 1,\n",
                          "KIND_event = 6,\n    KIND_device = 7,\n"
                          "    KIND_command_buffer = 8,\n    KIND_sampler = 9,\n"
                          "    KIND_image = 10,\n    OBJECT_KINDS = 11,\n")

    def test_an_encoder_sizes_the_message_before_it_writes(self):
        self.assert_holds("opencl_send.h", """\
static inline cl_int
send_tessera_ask(struct session *s, struct pending *p, const char *name, struct blob source, \
const uint64_t *size, struct extent answer)
{
    struct enc e;
    cl_int rc = submit_begin(s, &e, OP_tessera_ask, sizeof(struct frame_header) + \
enc_bytes_size(strlen(name) + 1) + enc_blob_size(&source) + 24 + 16, p);

    if (rc != CL_SUCCESS)
        return rc;
    enc_bytes(&e, name, strlen(name) + 1);
    enc_blob(&e, &source);
    enc_u64s(&e, size, 3);
    enc_u64(&e, answer.off);
    enc_u64(&e, answer.len);
    return submit_end(s, &e, p);
}
""")

    def test_an_enqueue_is_begun_checked_sent_and_ended(self):
        self.assert_holds("opencl_stubs.c", """\
    struct enqueue q;
    cl_int rc = enqueue_begin(&q, command_queue, CL_COMMAND_COPY_BUFFER, \
num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    if (rc == CL_SUCCESS)
        rc = check_buffers(&q, 1, &src_buffer);
    if (rc == CL_SUCCESS)
        rc = check_clEnqueueCopyBuffer(&q, src_buffer, size);
    if (rc == CL_SUCCESS) {
        rc = send_clEnqueueCopyBuffer(q.session, NULL, object_id(command_queue), \
object_id(src_buffer), size, num_events_in_wait_list, event_wait_list, q.event_id);
    }
    return enqueue_end(&q, rc, event);
""")

    def test_a_refusal_answers_in_the_form_of_its_return(self):
        self.assert_holds("opencl_stubs.c", """\
tsr_clSVMAlloc(cl_context context)
{
    (void)context;
    return NULL;
}
""", """\
tsr_clCreateImage(cl_context context, cl_int * errcode_ret)
{
    (void)context;
    if (errcode_ret)
        *errcode_ret = CL_INVALID_OPERATION;
    return NULL;
}
""")

    def test_the_dispatch_table_has_every_entry_but_messages(self):
        self.assert_holds("opencl_stubs.c", """\
const struct _cl_icd_dispatch opencl_dispatch = {
    .clCreateContext = tsr_clCreateContext,
    .clEnqueueCopyBuffer = tsr_clEnqueueCopyBuffer,
    .clSVMAlloc = tsr_clSVMAlloc,
    .clCreateImage = tsr_clCreateImage,
    .clGetDXThings = NULL,
};
""")

    def test_what_works_can_be_asked_for_by_name(self):
        self.assert_holds("opencl_stubs.c", """\
    {"clCreateContext", (void *)tsr_clCreateContext, NULL},
    {"clEnqueueCopyBuffer", (void *)route_clEnqueueCopyBuffer, NULL},
    {"clCommandCopyBufferKHR", (void *)tsr_clCommandCopyBufferKHR, "cl_khr_command_buffer"},
    {"clCreateContextEXT", (void *)tsr_clCreateContext, "cl_ext_context"},
    {NULL, NULL, NULL},
""")

    def test_every_function_is_preceded_by_its_section(self):
        self.assert_holds("opencl_send.h", "/* OpenCL 3.0, section 4.4 */\n"
                          "CL_API_ENTRY cl_context CL_API_CALL tsr_clCreateContext(")
        self.assert_holds("opencl_multi.h", "/* OpenCL 3.0, section 5.2.2 */\n"
                          "CL_API_ENTRY cl_int CL_API_CALL multi_clEnqueueCopyBuffer(")
        self.assert_holds("opencl_stubs.c", "/* OpenCL 3.0, section 5.6.1 */\n"
                          "static CL_API_ENTRY void * CL_API_CALL\ntsr_clSVMAlloc(",
                          "/* cl_khr_command_buffer */\n"
                          "static CL_API_ENTRY cl_int CL_API_CALL\ntsr_clCommandCopyBufferKHR(")

    def test_extension_functions_are_outside_the_dispatch_table(self):
        self.assertNotIn(".clCommandCopyBufferKHR", self.files["opencl_stubs.c"])
        self.assertNotIn(".clCreateContextEXT", self.files["opencl_stubs.c"])

    def test_the_driver_is_asked_for_extension_functions_but_aliases(self):
        self.assert_holds("opencl_extensions.h", """\
struct extension_functions {
    __typeof__(clCommandCopyBufferKHR) *clCommandCopyBufferKHR;
};
""", """\
    {"cl_khr_command_buffer", "clCommandCopyBufferKHR", \
offsetof(struct extension_functions, clCommandCopyBufferKHR)},
    {NULL, NULL, 0},
""")

    def test_a_recorder_is_checked_as_its_enqueue_and_answered(self):
        self.assert_holds("opencl_stubs.c", """\
    struct recording r;
    cl_int rc = record_begin(&r, command_buffer, command_queue, num_sync_points_in_wait_list, \
sync_point_wait_list, mutable_handle);

    if (rc != CL_SUCCESS)
        return rc;
    if (rc == CL_SUCCESS)
        rc = check_buffers(&r.q, 1, &src_buffer);
    if (rc == CL_SUCCESS)
        rc = check_clEnqueueCopyBuffer(&r.q, src_buffer, size);
    if (rc == CL_SUCCESS)
        rc = record_uses(&r, (struct object *)src_buffer);
    if (rc == CL_SUCCESS) {
        rc = send_clCommandCopyBufferKHR(r.q.session, &r.pending, object_id(command_buffer), \
object_id(src_buffer), size, num_sync_points_in_wait_list, sync_point_wait_list);
    }
    return record_end(&r, rc, sync_point);
""")

    def test_a_recorder_gets_the_drivers_sync_points_and_keeps_what_it_uses(self):
        self.assert_holds("opencl_dispatch.c", """\
    struct recording rec;
    struct object *const used[] = {r->src_buffer};
    int bad;

    if (buffer_check_range(s, r->src_buffer, r->size, r->size) < 0)
        return -EPROTO;
    bad = recording_begin(s, &rec, r->command_buffer, r->sync_point_wait_list, \
r->n_sync_point_wait_list);
    if (bad < 0)
        return bad;
    if (rec.rc == CL_SUCCESS && !s->device.ext.clCommandCopyBufferKHR)
        rec.rc = CL_INVALID_OPERATION;
    if (rec.rc == CL_SUCCESS)
        rec.rc = s->device.ext.clCommandCopyBufferKHR(r->command_buffer->h.command_buffer, NULL, \
r->src_buffer->h.mem, (size_t)r->size, rec.n_syncs, rec.syncs, &rec.sync_point, NULL);
    return recording_end(s, &rec, used, 1, r->tag);
""", 'r.sync_point_wait_list = dec_array(&d, "sync_point_wait_list", '
                          "&r.n_sync_point_wait_list);")

    def test_objects_of_several_vgpus_have_a_table_and_functions_of_their_own(self):
        self.assert_holds("opencl_stubs.c", """\
const struct _cl_icd_dispatch multi_dispatch = {
    .clCreateContext = tsr_clCreateContext,
    .clEnqueueCopyBuffer = multi_clEnqueueCopyBuffer,
    .clSVMAlloc = tsr_clSVMAlloc,
    .clCreateImage = multi_clCreateImage,
};
""", """\
    return object_table(command_queue)->clEnqueueCopyBuffer(command_queue, src_buffer, size, \
num_events_in_wait_list, event_wait_list, event);
""")
        self.assert_holds("opencl_multi.h", "CL_API_ENTRY cl_mem CL_API_CALL "
                          "multi_clCreateImage(cl_context context, cl_int * errcode_ret);\n")
        self.assertNotIn("multi_clSVMAlloc", self.files["opencl_multi.h"])

    def test_a_request_has_one_member_per_field(self):
        self.assert_holds("opencl_request.h", """\
struct req_clEnqueueCopyBuffer {
    uint64_t tag; /* 0: no answer wanted */
    struct object *command_queue;
    struct object *src_buffer;
    uint64_t size;
    uint64_t n_event_wait_list;
    struct object **event_wait_list;
    struct guest_id event;
};
""")

    def test_a_message_is_decoded_to_its_end_before_it_runs(self):
        self.assert_holds("opencl_dispatch.c", """\
    struct req_tessera_ask r = {.tag = h.tag};

    r.name = dec_string(&d, "name");
    r.source = dec_blob(s, &d, "source", &r.source_len);
    r.size = dec_u64s(&d, "size", 3);
    r.answer = dec_extent_or_none(s, &d, "answer");
    dec_end(&d);
    if (d.bad)
        return request_bad(s, h.op, d.bad);
    if (r.tag == 0 && !s->restoring.active)
        return request_bad(s, h.op, "tag");
    return op_tessera_ask(s, &r);
""")

    def test_a_driver_call_gets_handles_and_waits(self):
        self.assert_holds("opencl_dispatch.c", "rc = s->cl->clEnqueueCopyBuffer("
                          "r->command_queue->h.queue, r->src_buffer->h.mem, (size_t)r->size, "
                          "sub.n_waits, sub.waits, &sub.event);\n")

    def test_recipes_are_marked(self):
        self.assert_holds("opencl_dispatch.c",
                          "[OP_clCreateContext] = {run_clCreateContext, true},",
                          "[OP_tessera_ask] = {run_tessera_ask, false},")

    def test_the_dictionary_has_the_op_of_each_message(self):
        self.assert_holds("opencl.dict", 'clCreateContext="\\x01\\x00\\x00\\x00"\n')

    def test_what_is_missing_is_listed_with_its_answer(self):
        self.assert_holds("opencl-missing.md", "## Not done yet", "| `clCreateImage` |",
                          "| `clSVMAlloc` | `CL_INVALID_OPERATION` | no SVM |",
                          "2 of 5 entries work",
                          "| `clCommandCopyBufferKHR` | `cl_khr_command_buffer` |")

    def test_the_fingerprint_changes_with_the_wire_alone(self):
        def fingerprint(description):
            with tempfile.TemporaryDirectory() as folder:
                _, out = generate(description, folder)
                return re.search("FINGERPRINT 0x([0-9a-f]{16})ull",
                                 (out / "opencl_wire.h").read_text())[1]

        small = fingerprint(SMALL)
        self.assertEqual(small, fingerprint(SMALL.replace("no SVM", "other words")))
        self.assertNotEqual(small, fingerprint(SMALL.replace("u64[3] size", "u64[2] size")))
        self.assertNotEqual(small, fingerprint(SMALL.replace("version = 1", "version = 2")))


class Wrong(unittest.TestCase):
    """Descriptions that cannot be generated."""

    def assert_refused(self, description, words):
        with tempfile.TemporaryDirectory() as folder:
            run, out = generate(description, folder)
            self.assertEqual(run.returncode, 1)
            self.assertIn(words, run.stderr)
            self.assertIn("small.toml", run.stderr)
            self.assertNotIn("Traceback", run.stderr)
            self.assertFalse(out.exists())

    def test_an_unknown_type_of_field(self):
        self.assert_refused(SMALL.replace("string name", "text name"),
                            "tessera_ask: unknown field type 'text'")

    def test_a_field_without_a_name(self):
        self.assert_refused(SMALL.replace("string name", "string"),
                            "tessera_ask: field 'string' needs a type and a name")

    def test_an_id_of_no_kind(self):
        self.assert_refused(SMALL.replace("id:mem src_buffer", "id:thing src_buffer"),
                            "clEnqueueCopyBuffer: src_buffer names no kind of object")

    def test_a_field_without_an_argument(self):
        self.assert_refused(SMALL.replace("u64 size\"", "u64 length\""),
                            "clEnqueueCopyBuffer: no argument named length")

    def test_an_argument_that_the_driver_would_miss(self):
        self.assert_refused(SMALL.replace('"u64 size", ', ""),
                            "clEnqueueCopyBuffer: no field for argument size")

    def test_bounds_of_what_is_no_field(self):
        self.assert_refused(SMALL.replace('"src_buffer size size"', '"src_buffer from size"'),
                            "bounds")
        self.assert_refused(SMALL.replace('"src_buffer size size"', '"src_buffer size"'),
                            "bounds")

    def test_other_kinds_of_objects(self):
        self.assert_refused(SMALL.replace('"mem", ', ""), "kinds differ")

    def test_an_entry_that_does_not_say_who_writes_it(self):
        self.assert_refused(SMALL.replace('guest = "absent"', ""), "guest")

    def test_a_recorder_or_alias_of_no_extension(self):
        self.assert_refused(SMALL.replace('extension = "cl_khr_command_buffer"\n', ""),
                            "clCommandCopyBufferKHR: guest 'record' is for extension functions")
        self.assert_refused(SMALL.replace('extension = "cl_ext_context"\n', ""),
                            "clCreateContextEXT: guest 'alias' is for extension functions")

    def test_a_function_without_its_section(self):
        self.assert_refused(SMALL.replace('section = "5.2.2"\n', ""),
                            "clEnqueueCopyBuffer: section '' is no place in a specification")
        self.assert_refused(SMALL.replace('section = "4.4"', 'section = "chapter 4"'),
                            "clCreateContext: section 'chapter 4' is no place")

    def test_an_alias_of_nothing(self):
        self.assert_refused(SMALL.replace('alias = "clCreateContext"\n', ""), "alias")

    def test_a_refusal_without_its_error(self):
        self.assert_refused(SMALL.replace('error = "CL_INVALID_OPERATION"\nwhy', "why"), "error")

    def test_what_is_no_toml(self):
        self.assert_refused(SMALL + "[", "")

    def test_a_file_that_is_not_there(self):
        run = subprocess.run([sys.executable, str(API / "generate.py"), "/none.toml", "/tmp"],
                             capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 1)
        self.assertIn("/none.toml", run.stderr)


class Description(unittest.TestCase):
    """The real description against the system's header."""

    def test_the_seeds_of_the_fuzzer_name_its_messages_and_their_fields(self):
        tests = Path(__file__).parents[1] / "fuzz"
        seeds = tests / "seeds" / "fuzz_frame"
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, str(tests / "seeds.py"), str(API / "opencl.toml"),
                            str(seeds), folder], check=True)
            # Each without and with a save and a restore in the end.
            self.assertEqual(len(list(Path(folder).iterdir())), 2 * len(list(seeds.iterdir())))
            self.assertGreater(len(list(seeds.iterdir())), 0)

    def test_the_dispatch_table_is_described_entry_by_entry_in_its_order(self):
        if not ICD_HEADER.exists():
            self.skipTest(f"no {ICD_HEADER}: package opencl-headers")
        text = re.sub(r"/\*.*?\*/", "", ICD_HEADER.read_text(), flags=re.S)
        table = re.search(r"typedef struct _cl_icd_dispatch \{(.*?)\} cl_icd_dispatch;", text, re.S)
        # Windows' entries have void pointers of the same names in their place elsewhere.
        elsewhere = re.sub(r"#if defined\(_WIN32\).*?#else(.*?)#endif", r"\1", table[1], flags=re.S)
        expected = re.findall(r"(\w+);", elsewhere)
        description = tomllib.loads((API / "opencl.toml").read_text())
        described = [n for n, d in description.items()
                     if isinstance(d, dict) and d["guest"] != "message" and "extension" not in d]
        self.assertGreater(len(expected), 100)
        self.assertEqual(expected, described)

    def test_the_functions_written_by_hand_name_the_same_sections(self):
        sections = {c.name: c.section for c in load(API / "opencl.toml")[0]}
        seen, wrong = 0, []
        for path in sorted((API.parent / "src/guest/opencl").rglob("*.c")):
            text = path.read_text()
            head = re.match(r"/\* SPDX.*?\*/\s*(/\*.*?\*/)?", text, re.S)[1] or ""
            for m in re.finditer(r"^(?:tsr|multi)_(cl\w+)\(", text, re.M):
                above = re.search(r"(/\*(?:(?!\*/).)*\*/)\n[^\n]*\n$", text[:m.start()], re.S)
                own = above[1] if above else ""
                place = sections[m[1]].replace("extensions ", "")
                named = re.compile(rf"(?<![\d.]){re.escape(place)}(?!\.?\d)")
                other = set(re.findall(r"\d+\.[\d.]*\d", head.replace("OpenCL 3.0", ""))) - {place}
                seen += 1
                if not named.search(own) and (other or not named.search(head)):
                    wrong.append(f"{path.name}: {m[0]}…): {place}")
        self.assertGreater(seen, 150)
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
