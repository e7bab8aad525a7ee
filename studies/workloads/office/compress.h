/* SPDX-License-Identifier: MIT */
/* compress.h - a document packed by zlib, and back. */
#ifndef OFFICE_COMPRESS_H
#define OFFICE_COMPRESS_H

#include "office/document.h"

/* Writes the bytes to a gzip file. */
int compress_pack(const char *path, const char *bytes, size_t size, struct failure *why);

/* -EBADMSG when the file does not unpack to these bytes. */
int compress_check(const char *path, const char *bytes, size_t size, struct failure *why);

/* Packs the document to a file and checks that. The answer: the document's checksum. */
int compress_run(const struct document *d, const char *path, uint64_t *ret_answer,
                 struct failure *why);

#endif
