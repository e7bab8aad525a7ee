/* SPDX-License-Identifier: MIT */
/*
 * One line per event on stderr: "tesserad: warning: words". Programs log, libraries do
 * not. TESSERA_LOG=error|warning|info|debug sets the level (default info).
 */
#ifndef TESSERA_BASE_LOG_H
#define TESSERA_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* program must live as long as the process. Called once, before any thread starts. */
void log_init(const char *program);
void log_line(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
