#include "io.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(struct failure *failure, const char *code, const char *reason)
{
    failure->code = code;
    snprintf(failure->reason, sizeof failure->reason, "%s", reason);
    return 0;
}

static int fail_late(struct failure *failure, long timeout_ms)
{
    failure->code = "timeout";
    snprintf(failure->reason, sizeof failure->reason, "no answer within %ld ms", timeout_ms);
    return 0;
}

static int fail_hung_up(struct failure *failure)
{
    return fail(failure, "unreachable", "the connection closed before the answer was whole");
}

/* 1 when fd is ready, 0 when the deadline has passed. */
static int wait_for(int fd, short events, long long deadline)
{
    for (;;) {
        long long left = deadline - now_ms();
        if (left <= 0)
            return 0;
        struct pollfd entry = { .fd = fd, .events = events };
        int ready = poll(&entry, 1, left > 3600000 ? 3600000 : (int)left);
        if (ready > 0)
            return 1;
        if (ready < 0 && errno != EINTR)
            return 1; /* the call that follows reports the error */
    }
}

static int open_connection(const char *path, long timeout_ms, struct failure *failure)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int error = 0;
    if (strlen(path) >= sizeof address.sun_path)
        error = ENAMETOOLONG;
    int fd = error ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        strcpy(address.sun_path, path);
        /* A full backlog makes connect wait; this, and not O_NONBLOCK, is what bounds the wait on a unix socket. */
        struct timeval limit = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
    }
    if (!error)
        error = errno;
    if (fd >= 0)
        close(fd);
    if (error == EAGAIN) {
        fail_late(failure, timeout_ms);
        return -1;
    }
    char reason[64];
    snprintf(reason, sizeof reason, "connect: %s", errno_name(error));
    fail(failure, "unreachable", reason);
    return -1;
}

/* 1 sent, 0 late. A broken connection counts as sent: the answer, or its absence, tells more. */
static int send_all(int fd, const char *data, size_t length, long long deadline)
{
    while (length > 0) {
        ssize_t sent = send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            data += sent;
            length -= (size_t)sent;
        } else if (errno == EAGAIN) {
            if (!wait_for(fd, POLLOUT, deadline))
                return 0;
        } else if (errno != EINTR) {
            return 1;
        }
    }
    return 1;
}

/* 1 received, 0 late, -1 hung up. */
static int receive_all(int fd, char *data, size_t length, long long deadline)
{
    while (length > 0) {
        if (!wait_for(fd, POLLIN, deadline))
            return 0;
        ssize_t received = recv(fd, data, length, MSG_DONTWAIT);
        if (received > 0) {
            data += received;
            length -= (size_t)received;
        } else if (received == 0 || (errno != EAGAIN && errno != EINTR)) {
            return -1;
        }
    }
    return 1;
}

static int receive_answer(int fd, size_t max, long long deadline, long timeout_ms, struct bytes *answer, struct failure *failure)
{
    unsigned char header[4];
    int received = receive_all(fd, (char *)header, sizeof header, deadline);
    if (received <= 0)
        return received == 0 ? fail_late(failure, timeout_ms) : fail_hung_up(failure);
    size_t length = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    if (length > max) {
        failure->code = "too-large";
        snprintf(failure->reason, sizeof failure->reason, "a frame of %zu bytes exceeds the limit of %zu", length, max);
        return 0;
    }
    answer->length = length;
    answer->data = malloc(length + 1);
    if (answer->data == NULL)
        return fail(failure, "too-large", "no memory for the answer");
    received = receive_all(fd, answer->data, length, deadline);
    if (received <= 0)
        return received == 0 ? fail_late(failure, timeout_ms) : fail_hung_up(failure);
    if (!is_utf8(answer->data, length))
        return fail(failure, "malformed", "a frame holds bytes that are not UTF-8");
    return 1;
}

int exchange(const char *path, struct bytes request, long timeout_ms, size_t max, struct bytes *answer, struct failure *failure)
{
    long long deadline = now_ms() + timeout_ms;
    /* Header and body in one piece: two sends would wake the daemon twice. */
    size_t length = request.length;
    unsigned char *frame = malloc(4 + length);
    if (frame == NULL)
        return fail(failure, "too-large", "no memory for the request");
    for (int i = 0; i < 4; i++)
        frame[i] = (unsigned char)(length >> (24 - 8 * i));
    memcpy(frame + 4, request.data, length);
    int fd = open_connection(path, timeout_ms, failure);
    int done = 0;
    if (fd >= 0) {
        done = send_all(fd, (const char *)frame, 4 + length, deadline)
                   ? receive_answer(fd, max, deadline, timeout_ms, answer, failure)
                   : fail_late(failure, timeout_ms);
        close(fd);
    }
    free(frame);
    return done;
}
