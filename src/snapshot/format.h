/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a snapshot. Little-endian, as all machines that Tessera runs on.
 *
 *   file     header, sections, a last section of kind SECTION_END without blocks
 *   section  head, blocks, a last block of kind BLOCK_END
 *   block    head, then `stored` bytes
 *
 * Each head has a checksum of itself and of the checksum before it, so that no part can be left
 * out, doubled or moved; a block's head has one of its stored bytes, too. A checksum finds damage;
 * it does not tell who wrote the file.
 */
#ifndef TESSERA_SNAPSHOT_FORMAT_H
#define TESSERA_SNAPSHOT_FORMAT_H

#include <stdint.h>

#define SNAPSHOT_MAGIC "TSRSNAP\n"
#define SNAPSHOT_MAGIC_BYTES 8
#define SNAPSHOT_VERSION 1u

#define SECTION_MAGIC 0x7e5ec710u
#define SECTION_END 0u

#define BLOCK_MAX_BYTES (1u << 20) /* of content, but for zeros */

struct snapshot_header {
    char magic[SNAPSHOT_MAGIC_BYTES];
    uint32_t version;
    uint32_t reserved; /* 0 */
    uint64_t check;    /* XXH3-64 of what is before it */
};

struct section_head {
    uint32_t magic; /* SECTION_MAGIC */
    uint32_t kind;  /* the writer's; SECTION_END ends the snapshot */
    uint64_t id;    /* which of its kind; of SECTION_END: how many sections there are */
    uint64_t check; /* of what is before it, seeded with the check of the head before */
};

enum block_kind {
    BLOCK_END = 0,  /* of the section; content_bytes is 0 */
    BLOCK_ZERO = 1, /* content_bytes of zeros; nothing is stored */
    BLOCK_RAW = 2,  /* stored as it is */
    BLOCK_ZSTD = 3, /* one zstd frame */
};

struct block_head {
    uint32_t kind; /* enum block_kind */
    uint32_t stored_bytes;
    uint64_t content_bytes;
    uint64_t data_check; /* XXH3-64 of the stored bytes; 0 where there are none */
    uint64_t check;      /* as of section_head */
};

#endif
