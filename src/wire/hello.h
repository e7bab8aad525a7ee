/* SPDX-License-Identifier: MIT */
/*
 * The handshake on a fresh connection, before any shared memory:
 *   guest -> worker   struct hello
 *   worker -> guest   struct welcome, with descriptors {channel, heap} when status is 0,
 *                     then info_bytes of device information (wire/device_info.h)
 *
 * Through a virtio port the welcome has no descriptors, but tells where in the BAR (wire/bar.h)
 * things are; and since a port may still hold what was meant for the process that had it before,
 * the preamble of the hello's nonce comes first: what is before it is skipped.
 *
 * Both structures begin with magic and version and keep that form in every version, so
 * that two sides of different versions can tell each other so. The hello keeps the place of its
 * nonce, too, and the preamble all of its form.
 */
#ifndef TESSERA_WIRE_HELLO_H
#define TESSERA_WIRE_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELLO_MAGIC 0x72735354u   /* "TSsr" */
#define WELCOME_MAGIC 0x77735354u /* "TSsw" */
#define WIRE_VERSION 4u
#define PREAMBLE_MAGIC 0x70735354u /* "TSsp" */
#define TOKEN_BYTES 16
#define NONCE_BYTES 16
#define WELCOME_INFO_MAX (1u << 20)

struct hello {
    uint32_t magic, version;
    uint64_t fingerprint;       /* of the API description: OPENCL_FINGERPRINT */
    uint8_t token[TOKEN_BYTES]; /* zero: a new session; else the one to go on with */
    uint32_t pid;               /* as the guest sees itself; for people only */
    uint32_t reserved;
    uint8_t nonce[NONCE_BYTES]; /* random; through a port alone */
    uint64_t boot;    /* of the guest's kernel, random and not 0; through a port alone */
    char program[64]; /* its name, NUL-terminated; for people only */
};

#define WELCOME_SHARED_STORAGE                                                           \
    1u /* buffers can live in the heap: the device uses host memory */

struct welcome {
    uint32_t magic, version;
    int32_t status; /* 0 or negative errno */
    uint32_t flags;
    uint8_t token[TOKEN_BYTES];
    uint64_t heap_bytes;
    uint64_t framebuffer_bytes;
    uint32_t commands_bytes, replies_bytes;
    uint64_t info_bytes;
    uint64_t channel_off; /* through a port alone: page and rings in the BAR */
    uint64_t grant_off,
        grant_bytes;  /* and the first part of the heap that is the guest's */
    char reason[160]; /* when status is not 0 */
};

struct preamble {
    uint32_t magic;
    uint8_t nonce[NONCE_BYTES];
};

/*
 * Guest: says hello on a connected socket and takes the welcome, its descriptors (owned
 * by the caller) and the device information (malloc'ed). 0; -EPROTO for another protocol,
 * else the worker's refusal or the socket's error, with words in reason (of 160 bytes).
 */
int hello_exchange(int sock, const struct hello *h, struct welcome *ret, int ret_fds[2],
                   uint8_t **ret_info, char *reason);

/*
 * Guest: the same through an open virtio port (O_NONBLOCK), within HELLO_PORT_MS. h->nonce is
 * filled in. -ECONNRESET: whoever was there hung up on this hello without an answer to it; what
 * another one had left in the port may have spoiled it.
 */
#define HELLO_PORT_MS 60000
int hello_exchange_port(int port, struct hello *h, struct welcome *ret,
                        uint8_t **ret_info, char *reason);

/*
 * Guest: goes on with the session of h->token, on a freshly connected socket. Channel memory and
 * heap go along: the worker maps them, and what is in them counts on. Waits for as long as the vGPU
 * is suspended. 0, or as hello_exchange(); -ESTALE: there is no such session any more.
 */
int hello_rejoin(int sock, const struct hello *h, const int memory[2],
                 struct welcome *ret, char *reason);

/*
 * The same through a virtio port, where it says its hello every few seconds until it is answered:
 * whoever takes the first must be ready for copies of it. -ECONNRESET as hello_exchange_port();
 * -ETIMEDOUT: it was answered, but not in full.
 */
int hello_rejoin_port(int port, struct hello *h, struct welcome *ret, char *reason);

/*
 * Manager: looks at a hello without taking it. 0; -EAGAIN: it is not all there yet; -EPIPE: nobody
 * is; -EPROTO: it is no hello of our version. `zero` tells a new session from one to go on with.
 */
int hello_peek(int sock, struct hello *ret);
bool hello_token_is_zero(const struct hello *h);

/*
 * Worker: hello_receive() with the descriptors that came along, -1 where none did. The caller's.
 */
int hello_receive_memory(int sock, uint64_t fingerprint, struct hello *ret,
                         int ret_memory[2], char *reason);

/* Worker: reads and checks a hello; -EPROTO with words when it is another protocol. */
int hello_receive(int sock, uint64_t fingerprint, struct hello *ret, char *reason);

/* The same from a port: a refused guest is in *ret, too, as far as its nonce. */
int hello_receive_port(int sock, uint64_t fingerprint, struct hello *ret, char *reason);

/*
 * Manager: takes a whole hello off a port and sends its preamble, so that a refusal can follow;
 * looks at nothing of it, and never waits. -EPROTO: it is not there in one piece, or the guest does
 * not read.
 */
int hello_take(int sock);

/*
 * Manager: takes all hellos off a port but the last, and the bells between them: whoever said
 * those before says them again, or has gone.
 */
void hello_take_older(int sock);

/*
 * Worker: sends a welcome; a refusal (status != 0) goes without descriptors and
 * information. fds may be NULL: then it is for a port, and preamble_send() was before.
 */
int welcome_send(int sock, const struct welcome *w, const int fds[2], const void *info);
int preamble_send(int sock, const uint8_t nonce[NONCE_BYTES]);

#endif
