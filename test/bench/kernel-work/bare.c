/*
 * Sends recorded netlink messages and says how long that took: the least that any program must spend on them.
 *
 * Arguments: the host's network namespace, then files with recordings. A line of a recording is
 *   <h or p> <offset of the namespace's descriptor, 0 for none> <bytes in hex>
 * and is one datagram, for the host's socket or the pod's. A line on standard input, "<number of the recording> <path of the
 * pod's namespace>", carries one out; the answer is "<nanoseconds> <nanoseconds on a processor>". As in the datapath the
 * host's socket is open all the time, the pod's is opened and closed each time, and the last message of a datagram is answered.
 */
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../program.h"

enum { MOST_DATAGRAMS = 16, MOST_RECORDINGS = 8, MOST_BYTES = 8192, ANSWER_BYTES = 65536 };

struct datagram {
    int is_pod;
    size_t patch;
    size_t length;
    uint32_t last_sequence;
    unsigned char bytes[MOST_BYTES];
};

struct recording {
    size_t count;
    struct datagram datagrams[MOST_DATAGRAMS];
};

static struct recording recordings[MOST_RECORDINGS];

static int open_namespace(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(path);
    return fd;
}

static int open_socket(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct sockaddr_nl address = { .nl_family = AF_NETLINK };
    int on = 1;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("netlink socket");
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    return fd;
}

static int socket_in(int target, int home)
{
    if (setns(target, CLONE_NEWNET) != 0)
        fail("setns");
    int fd = open_socket();
    if (setns(home, CLONE_NEWNET) != 0)
        fail("setns back");
    return fd;
}

/* Walks the messages of a datagram to the sequence of the last one, which asks for an acknowledgement. */
static uint32_t last_sequence(const unsigned char *bytes, size_t length)
{
    struct nlmsghdr header;
    uint32_t sequence = 0;
    for (size_t at = 0; at + sizeof header <= length; at += NLMSG_ALIGN(header.nlmsg_len)) {
        memcpy(&header, bytes + at, sizeof header);
        sequence = header.nlmsg_seq;
    }
    return sequence;
}

static void load(const char *path, struct recording *recording)
{
    FILE *file = fopen(path, "r");
    char place;
    size_t patch;
    static char hex[2 * MOST_BYTES + 1];
    if (file == NULL)
        fail(path);
    while (fscanf(file, " %c %zu %16384s", &place, &patch, hex) == 3) {
        if (recording->count == MOST_DATAGRAMS)
            fail("too many datagrams");
        struct datagram *one = &recording->datagrams[recording->count++];
        one->is_pod = place == 'p';
        one->patch = patch;
        one->length = strlen(hex) / 2;
        for (size_t i = 0; i < one->length; i++) {
            unsigned value;
            sscanf(hex + 2 * i, "%2x", &value);
            one->bytes[i] = (unsigned char)value;
        }
        one->last_sequence = last_sequence(one->bytes, one->length);
    }
    fclose(file);
}

static void exchange(int fd, const struct datagram *one)
{
    static unsigned char answer[ANSWER_BYTES];
    if (send(fd, one->bytes, one->length, 0) != (ssize_t)one->length)
        fail("send");
    for (;;) {
        ssize_t length = recv(fd, answer, sizeof answer, MSG_DONTWAIT | MSG_TRUNC);
        if (length < 0)
            fail("receive");
        for (const struct nlmsghdr *at = (const void *)answer; NLMSG_OK(at, length); at = NLMSG_NEXT(at, length)) {
            if (at->nlmsg_type != NLMSG_ERROR) {
                /* The last of a dump, or the one answer to a question. */
                int is_last = at->nlmsg_type == NLMSG_DONE || (at->nlmsg_flags & NLM_F_MULTI) == 0;
                if (is_last && at->nlmsg_seq == one->last_sequence)
                    return;
                continue;
            }
            const struct nlmsgerr *error = NLMSG_DATA(at);
            /* A link that is looked for, whose name is free. */
            if (error->error != 0 && error->error != -ENODEV) {
                errno = -error->error;
                fail("refused");
            }
            if (at->nlmsg_seq == one->last_sequence)
                return;
        }
    }
}

int main(int count, char **arguments)
{
    char line[4096];
    if (count < 3 || count - 2 > MOST_RECORDINGS)
        return 2;
    int home = open_namespace("/proc/thread-self/ns/net");
    int host = socket_in(open_namespace(arguments[1]), home);
    for (int i = 2; i < count; i++)
        load(arguments[i], &recordings[i - 2]);
    while (fgets(line, sizeof line, stdin) != NULL) {
        unsigned which;
        char path[2048];
        if (sscanf(line, "%u %2047s", &which, path) != 2 || which >= MOST_RECORDINGS)
            return 2;
        struct recording *recording = &recordings[which];
        int64_t wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_THREAD_CPUTIME_ID);
        int is_inside = strcmp(path, "-") != 0;
        int target = is_inside ? open_namespace(path) : -1;
        int pod = is_inside ? socket_in(target, home) : -1;
        for (size_t i = 0; i < recording->count; i++) {
            struct datagram *one = &recording->datagrams[i];
            if (one->patch != 0)
                memcpy(one->bytes + one->patch, &target, sizeof target);
            exchange(one->is_pod ? pod : host, one);
        }
        if (is_inside) {
            close(pod);
            close(target);
        }
        cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
        wall = now(CLOCK_MONOTONIC) - wall;
        printf("%lld %lld\n", (long long)wall, (long long)cpu);
        fflush(stdout);
    }
    return 0;
}
