#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *errno_name(int error)
{
    static const struct {
        int number;
        const char *name;
    } known[] = {
#define NAME(e) { e, #e }
        NAME(EACCES), NAME(EAGAIN), NAME(EBADF),   NAME(ECONNREFUSED), NAME(ECONNRESET), NAME(EDQUOT),
        NAME(EEXIST), NAME(EFBIG),  NAME(EINVAL),  NAME(EIO),          NAME(EISDIR),     NAME(ELOOP),
        NAME(EMFILE), NAME(ENFILE), NAME(ENAMETOOLONG), NAME(ENOENT),  NAME(ENOMEM),     NAME(ENOSPC),
        NAME(ENOTDIR), NAME(ENOTSOCK), NAME(EPERM), NAME(EPIPE),       NAME(EPROTOTYPE), NAME(EROFS),
#undef NAME
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].number == error)
            return known[i].name;
    static char number[24];
    snprintf(number, sizeof number, "errno %d", error);
    return number;
}

int is_utf8(const char *data, size_t length)
{
    const unsigned char *at = (const unsigned char *)data, *end = at + length;
    while (at < end) {
        unsigned char lead = *at++;
        if (lead < 0x80)
            continue;
        int more = lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xf0 && lead < 0xf5 ? 3 : 0;
        if (more == 0 || end - at < more)
            return 0;
        /* No over-long forms, no surrogates, nothing beyond U+10FFFF: all of them show in the second byte. */
        unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
        if (*at < low || *at > high)
            return 0;
        for (at++; --more > 0; at++)
            if ((*at & 0xc0) != 0x80)
                return 0;
    }
    return 1;
}

int write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);
        if (written >= 0) {
            data += written;
            length -= (size_t)written;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

const char *read_stdin(size_t max, struct bytes *input)
{
    input->length = 0;
    input->data = malloc(max + 1);
    if (input->data == NULL)
        return errno_name(ENOMEM);
    if (isatty(STDIN_FILENO))
        return NULL;
    while (input->length <= max) {
        ssize_t got = read(STDIN_FILENO, input->data + input->length, max + 1 - input->length);
        if (got == 0)
            return NULL;
        if (got > 0)
            input->length += (size_t)got;
        else if (errno != EINTR)
            return errno_name(errno);
    }
    return "too-large";
}

static int sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return error;
}

/* Makes what is missing of the absolute path; whatever was made is on disk when this returns 0. */
static int make_directory(const char *path)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return ENAMETOOLONG;
    for (char *parent_end = part, *at = part + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char separator = *at;
        *at = '\0';
        if (mkdir(part, 0700) == 0) {
            *parent_end = '\0';
            int error = sync_directory(parent_end == part ? "/" : part);
            *parent_end = '/';
            if (error != 0)
                return error;
        } else if (errno != EEXIST) {
            return errno;
        }
        if (separator == '\0')
            break;
        *at = separator;
        parent_end = at;
    }
    struct stat status;
    if (stat(part, &status) != 0)
        return errno;
    return S_ISDIR(status.st_mode) ? 0 : EEXIST;
}

static int write_file(const char *path, struct bytes content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int error = write_all(fd, content.data, content.length) == 0 && fsync(fd) == 0 ? 0 : errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    return error;
}

int write_durably(const char *directory, const char *name, struct bytes content, const char *unique)
{
    char temporary[PATH_MAX], final[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s/.%s", directory, unique) >= (int)sizeof temporary)
        return ENAMETOOLONG;
    if (snprintf(final, sizeof final, "%s/%s", directory, name) >= (int)sizeof final)
        return ENAMETOOLONG;
    int error = make_directory(directory);
    if (error != 0)
        return error;
    error = write_file(temporary, content);
    if (error == 0 && rename(temporary, final) != 0)
        error = errno;
    if (error == 0)
        return sync_directory(directory);
    unlink(temporary);
    return error;
}
