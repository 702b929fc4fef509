/* The system calls of the CNI program, without JavaScript. All memory given out lives until the process ends. */
#ifndef WELLSPRING_IO_H
#define WELLSPRING_IO_H

#include <stddef.h>

struct bytes {
    char *data;
    size_t length;
};

/* The name of an errno as Node prints it, e.g. "ENOENT". */
const char *errno_name(int error);

/* 1 if the bytes are UTF-8 as RFC 3629 defines it. */
int is_utf8(const char *data, size_t length);

/* Writes all bytes; 0, or -1 with errno. */
int write_all(int fd, const char *data, size_t length);

/* Standard input to its end; a terminal reads as empty. NULL, or why not: "too-large" or an errno name. */
const char *read_stdin(size_t max, struct bytes *input);

/* How an exchange failed: `code` is one of ProtocolErrorCode, `reason` the words for it. */
struct failure {
    const char *code;
    char reason[128];
};

/* One frame to the unix socket at `path`, one frame back, within `timeout_ms` by the monotonic clock. 1 if it worked. */
int exchange(const char *path, struct bytes request, long timeout_ms, size_t max, struct bytes *answer, struct failure *failure);

/* Writes directory/name so that it survives a crash. 0, or an errno. `unique` makes the temporary file's name. */
int write_durably(const char *directory, const char *name, struct bytes content, const char *unique);

#endif
