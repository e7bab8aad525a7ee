#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Says a hello (src/wire/hello.h) as asked; prints the refusal and ends with status 1.

hello.py SOCKET [--magic N] [--version N] [--fingerprint N] [--bytes N] [--serve]
--bytes sends only the first N and leaves; --serve answers guests as a worker would.
"""

import argparse
import socket
import struct
import sys

HELLO = struct.Struct("<IIQ16sII16sQ64s")
WELCOME = struct.Struct("<IIiI16sQQIIQQQQ160s")
HELLO_MAGIC = 0x72735354
WELCOME_MAGIC = 0x77735354
EPROTO = 71


def number(text):
    return int(text, 0)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("--magic", type=number, default=HELLO_MAGIC)
    parser.add_argument("--version", type=number, default=4)
    parser.add_argument("--fingerprint", type=number, default=0)
    parser.add_argument("--bytes", type=number, default=HELLO.size)
    parser.add_argument("--serve", action="store_true")
    return parser.parse_args()


def say_hello(a):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(a.socket)
    hello = HELLO.pack(a.magic, a.version, a.fingerprint, bytes(16), 1, 0, bytes(16), 0,
                       b"hello.py")
    sock.sendall(hello[: a.bytes])
    if a.bytes < HELLO.size:
        return 0
    answer = b""
    while len(answer) < WELCOME.size:
        more = sock.recv(WELCOME.size - len(answer))
        if not more:
            print("hung up without a welcome")
            return 2
        answer += more
    fields = WELCOME.unpack(answer)
    print(f"status {fields[2]}:", fields[-1].split(b"\0")[0].decode())
    return 1 if fields[2] == -EPROTO else 0


def serve(a):
    server = socket.socket(socket.AF_UNIX)
    server.bind(a.socket)
    server.listen()
    while True:
        guest = server.accept()[0]
        guest.recv(HELLO.size)
        guest.sendall(WELCOME.pack(WELCOME_MAGIC, a.version, 0, 0, bytes(16), *[0] * 8, b""))
        guest.close()


def main():
    a = arguments()
    return serve(a) if a.serve else say_hello(a)


if __name__ == "__main__":
    sys.exit(main())
