/* SPDX-License-Identifier: MIT */
#include "link/lengths.h"

#define SHORTEST_NS 1024u /* a microsecond, nearly; all below is one bucket */
#define SHORTEST_LOG2 10u
#define PARTS_LOG2 2u /* buckets to a power of two */
#define PARTS (1u << PARTS_LOG2)

unsigned
lengths_bucket(uint64_t ns)
{
    unsigned octave, bucket;

    if (ns < SHORTEST_NS)
        return 0;
    octave = 63u - (unsigned)__builtin_clzll(ns);
    bucket = (octave - SHORTEST_LOG2) * PARTS +
             (unsigned)(ns >> (octave - PARTS_LOG2) & (PARTS - 1));
    return bucket < LENGTHS_BUCKETS ? bucket : LENGTHS_BUCKETS - 1;
}

uint64_t
lengths_most_ns(unsigned bucket)
{
    const unsigned octave = SHORTEST_LOG2 + bucket / PARTS;
    const uint64_t part = UINT64_C(1) << (octave - PARTS_LOG2);

    return (PARTS + bucket % PARTS + 1) * part - 1;
}

uint64_t
lengths_quantile_ns(const uint64_t n[LENGTHS_BUCKETS], double q)
{
    uint64_t all = 0, so_far = 0;

    for (unsigned i = 0; i < LENGTHS_BUCKETS; i++)
        all += n[i];
    for (unsigned i = 0; i < LENGTHS_BUCKETS && all > 0; i++) {
        so_far += n[i];
        if ((double)so_far >= q * (double)all && so_far > 0)
            return lengths_most_ns(i);
    }
    return 0;
}
