/* SPDX-License-Identifier: MIT */
/* Files, folders, time. All return 0 (or a count) or a negative errno. */
#ifndef TESSERA_BASE_IO_H
#define TESSERA_BASE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

/*
 * A descriptor that is none of stdin, stdout and stderr: fd itself, or another one of its file in
 * its place (close-on-exec). So a program that closed its stdout prints into nothing of ours. A
 * negative errno is passed through.
 */
int fd_above_stdio(int fd);

/* Writes all of buf, going on after short writes and EINTR. */
int write_all(int fd, const void *buf, size_t len);

/* The same at an offset; the file's own stays where it is. -ENOSPC also where nothing is taken. */
int pwrite_all(int fd, const void *buf, size_t len, off_t at);

/* Reads exactly len bytes; -ENODATA when the peer ends before that. */
int read_exact(int fd, void *buf, size_t len);

/*
 * Reads a whole file of at most max bytes into *ret (malloc'ed, NUL added after the
 * content, owned by the caller); -EFBIG when it is larger.
 */
int read_file(const char *path, size_t max, char **ret, size_t *ret_len);

/*
 * Replaces path by content: written beside it, fsync'ed, renamed; the folder fsync'ed
 * too.
 */
int write_file_atomic(const char *path, const void *buf, size_t len, mode_t mode);

/*
 * After a rename to path: its folder goes to the disk, too. Best effort: some file systems cannot
 * sync a folder, and the rename is done either way.
 */
void sync_folder_of(const char *path);

/* mkdir -p; folders made get mode. */
int mkdir_parents(const char *path, mode_t mode);

/*
 * Removes path and all beneath it, and follows no symbolic link, also where somebody changes the
 * tree meanwhile. 0 when nothing is left, or was there.
 */
int remove_tree(const char *path);

/* A printf that returns malloc'ed words, NULL without memory. */
char *str_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
