/* SPDX-License-Identifier: MIT */
/*
 * pace.h - when frames are due, and which of them are missed. Numbers in, numbers out.
 *
 * Frame i is due at began + i / rate. A frame that ends after the next one was due is
 * late, and every frame that became due meanwhile is missed: it is never drawn, and the
 * next is the first that is due from then on. The last frame is drawn in any case, so
 * that runs of one length end with the same picture.
 */
#ifndef CAD_PACE_H
#define CAD_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    double began, rate; /* seconds, frames per second */
    uint64_t frames;    /* how many become due */
    uint64_t number;    /* the one to draw; all are over: frames */
    uint64_t drawn, missed, late;
};

void pace_init(struct pace *pace, double began, double rate, uint64_t frames);

/* When the frame to draw is due. */
double pace_due(const struct pace *pace);

/* It was drawn, and ended then: on to the next one. */
void pace_end_frame(struct pace *pace, double now);

bool pace_is_over(const struct pace *pace);

#endif
