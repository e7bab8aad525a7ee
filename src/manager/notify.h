/* SPDX-License-Identifier: MIT */
/* Tells systemd that we serve (sd_notify(3)): its unit is started only then. */
#ifndef TESSERA_MANAGER_NOTIFY_H
#define TESSERA_MANAGER_NOTIFY_H

/* 0, also where nobody waits for it (no NOTIFY_SOCKET); else a negative errno. */
int notify_ready(void);

#endif
