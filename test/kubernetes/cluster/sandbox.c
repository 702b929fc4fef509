/* The first process of a pod sandbox: it holds the namespaces until it is told to end, and opens no port, because pods
 * on the host network share that network's ports. */
#include <signal.h>
#include <unistd.h>

static void leave(int signal) {
    (void)signal;
    _exit(0);
}

int main(void) {
    signal(SIGCHLD, SIG_IGN);
    signal(SIGTERM, leave);
    signal(SIGINT, leave);
    for (;;) pause();
}
