/*
 * Executes programs as a container runtime executes plugins, and says how long each took: from before the process is made
 * (vfork and exec, as Go's runtime does it) until it has closed its output and was waited for.
 *
 * Standard input is a sequence of batches, all numbers u32 in the machine's order:
 *   number of calls, how many of them at a time, then for each call
 *   length, that many bytes (strings that end with a zero: the program, its arguments, an empty one, its environment),
 *   length, that many bytes of input.
 * The answer to a batch, once all calls are over: u64 nanoseconds of the whole batch, then for each call in the order given
 *   u64 nanoseconds, u32 status as of waitpid(2), u32 length, that many bytes of output.
 */
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../program.h"

enum { MOST_CALLS = 1024, MOST_STRINGS = 64, OUTPUT_BYTES = 65536, INPUT_BYTES = 65536 };

struct call {
    char *strings;
    uint32_t strings_length;
    char *input;
    uint32_t input_length;
    char *output;
    uint32_t output_length;
    int64_t began, took;
    pid_t pid;
    int status;
    int from;
};

static struct call calls[MOST_CALLS];

static uint32_t read_number(void)
{
    uint32_t number;
    if (fread(&number, sizeof number, 1, stdin) != 1)
        fail("a batch ends too early");
    return number;
}

static char *read_bytes(uint32_t *length)
{
    *length = read_number();
    char *bytes = malloc(*length + 1);
    if (bytes == NULL || fread(bytes, 1, *length, stdin) != *length)
        fail("a batch ends too early");
    bytes[*length] = 0;
    return bytes;
}

/* The input fits into the pipe, so that nobody need write while others read. */
static void start(struct call *call)
{
    char *strings[MOST_STRINGS + 1] = { NULL }, **environment = strings;
    int in[2], out[2], count = 0;
    posix_spawn_file_actions_t actions;
    char *path = call->strings;
    /* The empty one becomes the end of the arguments. */
    for (char *at = path; at < call->strings + call->strings_length; at += strlen(at) + 1) {
        if (count == MOST_STRINGS)
            fail("too many strings");
        strings[count++] = *at == 0 ? NULL : at;
        if (*at == 0)
            environment = &strings[count];
    }
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        fail("pipe");
    if (write(in[1], call->input, call->input_length) != (ssize_t)call->input_length)
        fail("write the input");
    close(in[1]);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    call->began = now(CLOCK_MONOTONIC);
    errno = posix_spawn(&call->pid, path, &actions, NULL, strings, environment);
    if (errno != 0)
        fail(path);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    call->from = out[0];
    call->output_length = 0;
}

/* Reads what there is; nonzero when the call is over. */
static int take(struct call *call)
{
    if (call->output_length == OUTPUT_BYTES)
        fail("too much output");
    ssize_t length = read(call->from, call->output + call->output_length, OUTPUT_BYTES - call->output_length);
    if (length < 0)
        fail("read the output");
    call->output_length += (uint32_t)length;
    if (length > 0)
        return 0;
    close(call->from);
    if (waitpid(call->pid, &call->status, 0) != call->pid)
        fail("waitpid");
    call->took = now(CLOCK_MONOTONIC) - call->began;
    return 1;
}

static int64_t run(uint32_t count, uint32_t at_a_time)
{
    struct pollfd open[MOST_CALLS];
    struct call *who[MOST_CALLS];
    uint32_t started = 0, running = 0;
    int64_t began = now(CLOCK_MONOTONIC);
    while (started < count || running > 0) {
        while (started < count && running < at_a_time) {
            start(&calls[started]);
            who[running] = &calls[started];
            open[running] = (struct pollfd){ .fd = calls[started].from, .events = POLLIN };
            started++;
            running++;
        }
        if (poll(open, running, -1) < 0)
            fail("poll");
        for (uint32_t i = running; i-- > 0;) {
            if (open[i].revents == 0 || !take(who[i]))
                continue;
            running--;
            open[i] = open[running];
            who[i] = who[running];
        }
    }
    return now(CLOCK_MONOTONIC) - began;
}

static void answer(uint32_t count, int64_t whole)
{
    fwrite(&whole, sizeof whole, 1, stdout);
    for (uint32_t i = 0; i < count; i++) {
        struct call *call = &calls[i];
        uint32_t status = (uint32_t)call->status;
        fwrite(&call->took, sizeof call->took, 1, stdout);
        fwrite(&status, sizeof status, 1, stdout);
        fwrite(&call->output_length, sizeof call->output_length, 1, stdout);
        fwrite(call->output, 1, call->output_length, stdout);
        free(call->strings);
        free(call->input);
        free(call->output);
    }
    fflush(stdout);
}

int main(void)
{
    uint32_t count;
    while (fread(&count, sizeof count, 1, stdin) == 1) {
        uint32_t at_a_time = read_number();
        if (count > MOST_CALLS || at_a_time == 0)
            return 2;
        for (uint32_t i = 0; i < count; i++) {
            calls[i].strings = read_bytes(&calls[i].strings_length);
            calls[i].input = read_bytes(&calls[i].input_length);
            calls[i].output = malloc(OUTPUT_BYTES);
            if (calls[i].input_length > INPUT_BYTES || calls[i].output == NULL)
                return 2;
        }
        answer(count, run(count, at_a_time));
    }
    return 0;
}
