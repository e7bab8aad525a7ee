#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""generate_front.py DESCRIPTION OUT-DIR: makes of api/LIBRARY.txt, LIBRARY being cuda or nvml,

LIBRARY_entries.h, .c     every exported name with its role, sorted, and Tessera's function for it
LIBRARY_trampolines.S     the exports: each jumps to where its place in front_targets points; and
                          Tessera's functions for what puts work on the device: one more jump,
                          to tessera_asked_NAME, while turns_asking is not 0 (but those marked own)
LIBRARY_fake_exports.c    for tests: the same names, each "no such function" unless another file
                          has it
LIBRARY_submits.h         what of them puts work on the device, and where the arguments tell it
"""

import pathlib
import re
import sys

ROLES = ("pass", "own", "look", "allocate", "free", "submit", "capture", "report", "context",
         "sync")
NAME = {"cuda": r"cu[A-Za-z0-9]+", "nvml": r"nvml[A-Za-z0-9]+(_v1)?"}
NO_FUNCTION = {"cuda": 801, "nvml": 13}  # what a call of what is not there answers
FORM = re.compile(r"(\d)([zd]?)")
ARGUMENTS = re.compile(r"(\d+),(-|x|\d+)(?:,(-|\d+))?(,own)?")
STREAM = {"": "", "z": "_ptsz", "d": "_ptds"}
HEAD = "/* SPDX-License-Identifier: MIT */\n/* Made by api/generate_front.py. */\n"
PREFIX = "tessera_"  # of Tessera's own functions, before the name


class Wrong(Exception):
    """A line that means nothing."""


def names_of(word):
    """NAME/1,2z: NAME and NAME_v2_ptsz."""
    name, _, forms = word.partition("/")
    for form in (forms or "1").split(","):
        found = FORM.fullmatch(form)
        if not found or not any(re.fullmatch(known, name) for known in NAME.values()):
            raise Wrong(f"what is '{word}'?")
        version, stream = found.groups()
        yield name + ("" if version == "1" else f"_v{version}") + STREAM[stream]


def arguments_of(word, role):
    """NAME, and of N,STREAM,BYTES (count, stream, bytes, own): numbers in C; own: its function of
    Tessera's is written in C, too."""
    name, colon, rest = word.partition(":")
    if bool(colon) != (role == "submit"):
        raise Wrong(f"'{word}': what submits tells its arguments, and nothing else does")
    if not colon:
        return name, None
    found = ARGUMENTS.fullmatch(rest)
    if not found:
        raise Wrong(f"what are the arguments of '{word}'?")
    count, stream, size, own = found.groups()
    words = {"-": "NONE", "x": "IN_CONFIG", None: "NONE"}
    return name, (count, words.get(stream, stream), words.get(size, size), bool(own))


def read(text, submits=None):
    """Exported name: role. Into submits: name: arguments_of() it."""
    entries, role = {}, None
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("["):
            role = line[1:-1]
            if role not in ROLES:
                raise Wrong(f"no role is '{role}'")
            continue
        for word in line.split():
            if role is None:
                raise Wrong(f"'{word}' has no role")
            word, arguments = arguments_of(word, role)
            for name in names_of(word):
                if arguments and submits is not None:
                    submits[name] = arguments
                if name in entries:
                    raise Wrong(f"'{name}' twice")
                entries[name] = role
    return dict(sorted(entries.items()))


def header(library, entries):
    numbers = "\n".join(f"    NR_{name}," for name in entries)
    guard = f"TESSERA_API_{library.upper()}_ENTRIES_H"
    return f"""{HEAD}#ifndef {guard}
#define {guard}

/* The number of each entry. */
enum {library}_number {{
{numbers}
}};

#endif
"""


def table(entries):
    """An own function is a weak symbol: there is one as soon as somebody writes it."""
    wanted = [name for name, role in entries.items() if role != "pass"]
    lines = [HEAD + '#include "guest/front/entries.h"\n\n#include <stddef.h>\n']
    lines += [f"extern __attribute__((weak, visibility(\"hidden\"))) int {PREFIX}{name}(void);"
              for name in wanted]
    lines.append("\nconst struct front_entry front_entries[] = {")
    for name, role in entries.items():
        own = f"(void *)&{PREFIX}{name}" if name in wanted else "NULL"
        lines.append(f'    {{"{name}", {own}, FRONT_{role.upper()}}},')
    return "\n".join(lines) + f"\n}};\n\nconst unsigned front_count = {len(entries)};\n"


X86_64 = """\t.globl {name}
\t.type {name}, @function
\t.p2align 4
{name}:
\t.cfi_startproc
\tendbr64
\tmovq front_targets+{offset}(%rip), %r11
\tjmpq *%r11
\t.cfi_endproc
\t.size {name}, .-{name}
.L{number}:
\tendbr64
\tpushq ${number}
\tjmp front_resolve_entry
"""

AARCH64 = """\t.globl {name}
\t.type {name}, %function
\t.p2align 4
{name}:
\t.cfi_startproc
\tbti c
\tadrp x16, front_targets+{offset}
\tldr x16, [x16, #:lo12:front_targets+{offset}]
\tbr x16
\t.cfi_endproc
\t.size {name}, .-{name}
.L{number}:
\tbti j
\tmov x17, #{number}
\tb front_resolve_entry
"""

# As written in C, it would move all arguments on the stack out of the way and back.
X86_64_SUBMIT = """\
\t.globl tessera_{name}
\t.hidden tessera_{name}
\t.hidden tessera_asked_{name}
\t.type tessera_{name}, @function
\t.p2align 4
tessera_{name}:
\t.cfi_startproc
\tendbr64
\tcmpl $0, turns_asking(%rip)
\tjne tessera_asked_{name}
\tjmpq *front_reals+{offset}(%rip)
\t.cfi_endproc
\t.size tessera_{name}, .-tessera_{name}
"""

AARCH64_SUBMIT = """\
\t.globl tessera_{name}
\t.hidden tessera_{name}
\t.hidden tessera_asked_{name}
\t.type tessera_{name}, %function
\t.p2align 4
tessera_{name}:
\t.cfi_startproc
\tbti c
\tadrp x16, turns_asking
\tldr w16, [x16, #:lo12:turns_asking]
\tcbnz w16, 1f
\tadrp x16, front_reals+{offset}
\tldr x16, [x16, #:lo12:front_reals+{offset}]
\tbr x16
1:
\tb tessera_asked_{name}
\t.cfi_endproc
\t.size tessera_{name}, .-tessera_{name}
"""

# Saves what may hold arguments, asks front_resolve(number), and goes where that says. On x86-64 the
# number is on the stack, above it the caller's return address.
X86_64_ENTRY = """\t.type front_resolve_entry, @function
front_resolve_entry:
\t.cfi_startproc
\t.cfi_def_cfa_offset 16
\tpushq %rdi
\tpushq %rsi
\tpushq %rdx
\tpushq %rcx
\tpushq %r8
\tpushq %r9
\tpushq %rax
\tsubq $136, %rsp
\t.cfi_def_cfa_offset 208
\tmovups %xmm0, 0(%rsp)
\tmovups %xmm1, 16(%rsp)
\tmovups %xmm2, 32(%rsp)
\tmovups %xmm3, 48(%rsp)
\tmovups %xmm4, 64(%rsp)
\tmovups %xmm5, 80(%rsp)
\tmovups %xmm6, 96(%rsp)
\tmovups %xmm7, 112(%rsp)
\tmovq 192(%rsp), %rdi
\tcall front_resolve
\tmovq %rax, %r11
\tmovups 0(%rsp), %xmm0
\tmovups 16(%rsp), %xmm1
\tmovups 32(%rsp), %xmm2
\tmovups 48(%rsp), %xmm3
\tmovups 64(%rsp), %xmm4
\tmovups 80(%rsp), %xmm5
\tmovups 96(%rsp), %xmm6
\tmovups 112(%rsp), %xmm7
\taddq $136, %rsp
\tpopq %rax
\tpopq %r9
\tpopq %r8
\tpopq %rcx
\tpopq %rdx
\tpopq %rsi
\tpopq %rdi
\taddq $8, %rsp
\t.cfi_def_cfa_offset 8
\tjmpq *%r11
\t.cfi_endproc
\t.size front_resolve_entry, .-front_resolve_entry
"""

AARCH64_ENTRY = """\t.type front_resolve_entry, %function
front_resolve_entry:
\t.cfi_startproc
\tstp x29, x30, [sp, #-224]!
\t.cfi_def_cfa_offset 224
\t.cfi_offset 29, -224
\t.cfi_offset 30, -216
\tmov x29, sp
\tstp x0, x1, [sp, #16]
\tstp x2, x3, [sp, #32]
\tstp x4, x5, [sp, #48]
\tstp x6, x7, [sp, #64]
\tstr x8, [sp, #80]
\tstp q0, q1, [sp, #96]
\tstp q2, q3, [sp, #128]
\tstp q4, q5, [sp, #160]
\tstp q6, q7, [sp, #192]
\tmov x0, x17
\tbl front_resolve
\tmov x16, x0
\tldp x0, x1, [sp, #16]
\tldp x2, x3, [sp, #32]
\tldp x4, x5, [sp, #48]
\tldp x6, x7, [sp, #64]
\tldr x8, [sp, #80]
\tldp q0, q1, [sp, #96]
\tldp q2, q3, [sp, #128]
\tldp q4, q5, [sp, #160]
\tldp q6, q7, [sp, #192]
\tldp x29, x30, [sp], #224
\t.cfi_restore 29
\t.cfi_restore 30
\t.cfi_def_cfa_offset 0
\tbr x16
\t.cfi_endproc
\t.size front_resolve_entry, .-front_resolve_entry
"""


def code(entries, one, entry, submits, submit):
    lines = [one.format(name=name, number=number, offset=8 * number)
             for number, name in enumerate(entries)]
    lines += [submit.format(name=name, offset=8 * number)
              for number, name in enumerate(entries) if name in submits and not submits[name][3]]
    hidden = ["front_resolve", "front_targets"]
    if submits:
        hidden += ["front_reals", "turns_asking"]
    return "".join(f"\t.hidden {name}\n" for name in hidden) + entry + "".join(lines)


def trampolines(entries, submits):
    targets = "".join(f"\t.quad .L{number}\n" for number in range(len(entries)))
    return f"""{HEAD}\t.text
#if defined(__x86_64__)
{code(entries, X86_64, X86_64_ENTRY, submits, X86_64_SUBMIT)}
#elif defined(__aarch64__)
{code(entries, AARCH64, AARCH64_ENTRY, submits, AARCH64_SUBMIT)}
#else
#error "no trampolines are written for this processor"
#endif
\t.data
\t.globl front_targets
\t.type front_targets, %object
\t.p2align 3
front_targets:
{targets}\t.size front_targets, .-front_targets
\t.section .note.GNU-stack, "", %progbits
"""


def fake(library, entries):
    lines = [HEAD + "/* There is no such function, unless another file has it. */",
             "#define MISSING(name) \\\n"
             "    __attribute__((weak, visibility(\"default\"))) int name(void);   \\\n"
             "    int name(void)                                                 \\\n"
             "    {                                                              \\\n"
             f"        return {NO_FUNCTION[library]};                                  \\\n"
             "    }\n"]
    return "\n".join(lines + [f"MISSING({name})" for name in entries]) + "\n"


def submits_list(submits):
    lines = [HEAD + "/* SUBMIT(name, count of arguments, stream, bytes, by default per thread) */"]
    for name, (count, stream, size, _) in sorted(submits.items()):
        by_thread = int(name.endswith(tuple(STREAM[form] for form in "zd")))
        lines.append(f"SUBMIT({name}, {count}, {stream}, {size}, {by_thread})")
    return "\n".join(lines) + "\n"


def main():
    source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    try:
        submits = {}
        entries = read(source.read_text(encoding="utf-8"), submits)
    except Wrong as why:
        sys.exit(f"{source}: {why}")
    library = source.stem
    for name, text in (("entries.h", header(library, entries)), ("entries.c", table(entries)),
                       ("trampolines.S", trampolines(entries, submits)),
                       ("fake_exports.c", fake(library, entries)),
                       ("submits.h", submits_list(submits))):
        (out / f"{library}_{name}").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
