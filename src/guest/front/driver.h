/* SPDX-License-Identifier: MIT */
/*
 * The real driver library, behind ours. Ours is what a program finds by its name; the other one is
 * opened by an absolute path: dlopen("libcuda.so.1") would give ours once more, as it answers to
 * that name.
 */
#ifndef TESSERA_GUEST_FRONT_DRIVER_H
#define TESSERA_GUEST_FRONT_DRIVER_H

/*
 * A function of the driver's, by its exported name; NULL when there is no driver, or when it has
 * none of that name. The driver is opened at the first call: the path that front_driver's variable
 * has, or libcuda.so.VERSION of the version that the kernel module tells. Any thread.
 */
void *driver_function(const char *name);

/* Whether a driver could be opened. */
int driver_is_there(void);

/*
 * Opens a library of NVIDIA's in the same way: by the absolute path that the variable has, or the
 * file of the kernel module's version. It must have the function. NULL: there is none.
 */
void *driver_open(const char *file, const char *variable, const char *function);

#endif
