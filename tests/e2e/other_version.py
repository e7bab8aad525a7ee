#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""other_version.py SOCKET: a worker of protocol version 99, for each who connects."""

import socket
import struct
import sys

WELCOME_MAGIC = 0x77735354

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    connection, _ = listener.accept()
    try:
        connection.recv(4096)
        connection.sendall(struct.pack("<II", WELCOME_MAGIC, 99))
    except OSError:
        pass  # who only looked whether we are there is gone
    connection.close()
