#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""foreign_socket.py PATH UID: listens there as another user (root only)."""

import os
import socket
import sys

path, uid = sys.argv[1], int(sys.argv[2])
os.chown(os.path.dirname(path), uid, -1)
os.setuid(uid)
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
print("listening", flush=True)
while True:
    server.accept()[0].close()
