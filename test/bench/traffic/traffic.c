/*
 * Two pods that talk over TCP, and how long it takes.
 *
 *   traffic serve PORT            answers on every address; says "ready" when it listens
 *   traffic ask ADDRESS PORT      reads orders, one a line, and answers each with a line of JSON:
 *     request COUNT               so many times one byte there and one back: {"p50Us", "p99Us"}
 *     stream MILLISECONDS         bytes for so long, until all of them have arrived: {"bytes", "seconds"}
 *
 * Both pin themselves. A veth hands packets on within the call that sends them, so the whole way is on the sender's
 * processor: for a stream the receiver has another one, and for requests both share one, so that no time goes into waking
 * a processor that sleeps.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../program.h"

enum { CHUNK = 128 * 1024, MOST_REQUESTS = 100000, LIMIT_SECONDS = 30 };

static char chunk[CHUNK];
static int64_t times[MOST_REQUESTS];

/* The processor of a number among those that this process may use. */
static void pin(int number)
{
    static cpu_set_t allowed;
    static int known;
    cpu_set_t one;
    if (!known && sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        fail("sched_getaffinity");
    known = 1;
    number %= CPU_COUNT(&allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || number-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof one, &one) != 0)
            fail("sched_setaffinity");
        return;
    }
}

/* Nobody waits for ever for bytes that a wrong route swallows. */
static void prepare(int fd)
{
    int one = 1;
    struct timeval limit = { .tv_sec = LIMIT_SECONDS };
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static void serve_one(int fd)
{
    char kind;
    uint64_t bytes = 0;
    ssize_t got;
    if (read(fd, &kind, 1) != 1)
        return;
    pin(kind == 's' ? 1 : 0);
    while ((got = read(fd, chunk, CHUNK)) > 0) {
        bytes += got;
        if (kind == 'r' && write(fd, chunk, got) != got)
            return;
    }
    if (kind == 's' && write(fd, &bytes, sizeof bytes) != sizeof bytes)
        perror("answer");
}

static void serve(int port)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(port) };
    int one = 1, listening = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (struct sockaddr *)&here, sizeof here) != 0 || listen(listening, 8) != 0)
        fail("listen");
    puts("ready");
    fflush(stdout);
    for (;;) {
        int fd = accept(listening, NULL, NULL);
        if (fd < 0)
            fail("accept");
        prepare(fd);
        serve_one(fd);
        close(fd);
    }
}

static int connected(const char *address, int port, char kind)
{
    struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    prepare(fd);
    if (inet_pton(AF_INET, address, &there.sin_addr) != 1)
        fail("address");
    if (connect(fd, (struct sockaddr *)&there, sizeof there) != 0 || write(fd, &kind, 1) != 1)
        fail("connect");
    return fd;
}

static int ascending(const void *one, const void *other)
{
    int64_t difference = *(const int64_t *)one - *(const int64_t *)other;
    return (difference > 0) - (difference < 0);
}

static void request(int fd, int count)
{
    char byte = 0;
    if (count < 1 || count > MOST_REQUESTS)
        count = MOST_REQUESTS;
    for (int index = 0; index < count; index++) {
        int64_t began = now(CLOCK_MONOTONIC);
        if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
            fail("request");
        times[index] = now(CLOCK_MONOTONIC) - began;
    }
    qsort(times, count, sizeof times[0], ascending);
    printf("{\"p50Us\":%.3f,\"p99Us\":%.3f}\n", times[count / 2] / 1e3, times[count * 99 / 100] / 1e3);
}

static void stream(int fd, int milliseconds)
{
    int64_t began = now(CLOCK_MONOTONIC), end = began + milliseconds * 1000000LL;
    uint64_t sent = 0, arrived = 0;
    while (now(CLOCK_MONOTONIC) < end) {
        ssize_t written = write(fd, chunk, CHUNK);
        if (written <= 0)
            fail("stream");
        sent += written;
    }
    shutdown(fd, SHUT_WR);
    if (read(fd, &arrived, sizeof arrived) != sizeof arrived || arrived != sent)
        fail("not all has arrived");
    printf("{\"bytes\":%llu,\"seconds\":%.6f}\n", (unsigned long long)arrived, (now(CLOCK_MONOTONIC) - began) / 1e9);
}

int main(int count, char **words)
{
    char order[16];
    int number;
    if (count == 3 && strcmp(words[1], "serve") == 0)
        serve(atoi(words[2]));
    if (count != 4 || strcmp(words[1], "ask") != 0)
        return 2;
    pin(0);
    while (scanf("%15s %d", order, &number) == 2) {
        int fd = connected(words[2], atoi(words[3]), order[0]);
        if (order[0] == 'r')
            request(fd, number);
        else
            stream(fd, number);
        close(fd);
        fflush(stdout);
    }
    return 0;
}
