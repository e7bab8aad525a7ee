/* SPDX-License-Identifier: MIT */
/*
 * Memory that the manager shares with processes which can shorten its file: an account's, with
 * programs of CUDA's. To touch what is not there any more would end the manager (SIGBUS).
 */
#ifndef TESSERA_MANAGER_SHARED_H
#define TESSERA_MANAGER_SHARED_H

/* From now on such a page is one of zeros, the manager's own. What it was about is lost to it. */
void shared_guard(void);

#endif
