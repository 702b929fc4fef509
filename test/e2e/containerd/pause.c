/* The only process of a pod sandbox: holds its namespaces, reaps, and answers each datagram with the sender's address
 * as this pod sees it ("10.0.0.7:4242"), so that a test learns from inside a real container who reached it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void leave(int signal) {
    (void)signal;
    _exit(0);
}

int main(int argc, char **argv) {
    signal(SIGCHLD, SIG_IGN);
    signal(SIGTERM, leave);
    signal(SIGINT, leave);
    int port = argc > 1 ? atoi(argv[1]) : 7007;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = INADDR_ANY};
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0) return 1;
    for (;;) {
        char packet[64], seen[64], text[INET_ADDRSTRLEN];
        struct sockaddr_in from;
        socklen_t length = sizeof from;
        if (recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &length) < 0) continue;
        inet_ntop(AF_INET, &from.sin_addr, text, sizeof text);
        int size = snprintf(seen, sizeof seen, "%s:%d", text, ntohs(from.sin_port));
        sendto(fd, seen, size, 0, (struct sockaddr *)&from, length);
    }
}
