/*
 * The host of the compiled CNI program: a JavaScript runtime with one global object, `host`, whose functions are all the
 * program can do (native/entry.ts declares them). There is no eval, no module loader, no timer and no promise.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "io.h"

extern const unsigned char bytecode[];
extern const size_t bytecode_length;

/* For when JavaScript itself gives up (memory); everything else is answered by run.ts. */
static const char GAVE_UP[] = "{\n  \"cniVersion\": \"1.1.0\",\n  \"code\": 999,\n"
                              "  \"msg\": \"a bug in wellspring-cni: the program ended early; please report it\"\n}\n";

static char call_id[17];

static void make_call_id(void)
{
    unsigned char random[8];
    if (getrandom(random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random) {
        /* Early in boot. The id only has to differ from those of other calls at the same time. */
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        unsigned long long mixed = (unsigned long long)getpid() << 40 ^ (unsigned long long)now.tv_sec << 30 ^ (unsigned long long)now.tv_nsec;
        memcpy(random, &mixed, sizeof random);
    }
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(call_id + 2 * i, 3, "%02x", random[i]);
}

static JSValue failed(JSContext *ctx, const char *code, const char *reason)
{
    JSValue outcome = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, outcome, "kind", JS_NewString(ctx, "failed"));
    if (code != NULL)
        JS_SetPropertyStr(ctx, outcome, "code", JS_NewString(ctx, code));
    JS_SetPropertyStr(ctx, outcome, "reason", JS_NewString(ctx, reason));
    return outcome;
}

static JSValue succeeded(JSContext *ctx, const char *kind, const struct bytes *text)
{
    JSValue outcome = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, outcome, "kind", JS_NewString(ctx, kind));
    if (text != NULL)
        JS_SetPropertyStr(ctx, outcome, "text", JS_NewStringLen(ctx, text->data, text->length));
    return outcome;
}

static JSValue host_id(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)
{
    (void)self, (void)argc, (void)argv;
    return JS_NewString(ctx, call_id);
}

static JSValue host_getenv(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)
{
    (void)self, (void)argc;
    const char *name = JS_ToCString(ctx, argv[0]);
    if (name == NULL)
        return JS_EXCEPTION;
    const char *value = getenv(name);
    JS_FreeCString(ctx, name);
    return value == NULL ? JS_UNDEFINED : JS_NewString(ctx, value);
}

static JSValue host_read_stdin(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)
{
    (void)self, (void)argc;
    int32_t max;
    if (JS_ToInt32(ctx, &max, argv[0]) != 0)
        return JS_EXCEPTION;
    struct bytes input;
    const char *error = read_stdin((size_t)max, &input);
    if (error == NULL && !is_utf8(input.data, input.length))
        error = "not-utf8";
    return error != NULL ? failed(ctx, NULL, error) : succeeded(ctx, "read", &input);
}

static JSValue host_exchange(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)
{
    (void)self, (void)argc;
    int32_t timeout_ms, max;
    struct bytes request, answer;
    struct failure failure;
    const char *path = JS_ToCString(ctx, argv[0]);
    request.data = (char *)JS_ToCStringLen(ctx, &request.length, argv[1]);
    if (path == NULL || request.data == NULL || JS_ToInt32(ctx, &timeout_ms, argv[2]) != 0 || JS_ToInt32(ctx, &max, argv[3]) != 0)
        return JS_EXCEPTION;
    int answered = exchange(path, request, timeout_ms, (size_t)max, &answer, &failure);
    JS_FreeCString(ctx, request.data);
    JS_FreeCString(ctx, path);
    return answered ? succeeded(ctx, "answered", &answer) : failed(ctx, failure.code, failure.reason);
}

static JSValue host_wait(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)
{
    (void)self, (void)argc;
    int32_t ms;
    if (JS_ToInt32(ctx, &ms, argv[0]) != 0)
        return JS_EXCEPTION;
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    return JS_UNDEFINED;
}

static JSValue host_spool(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)
{
    (void)self, (void)argc;
    struct bytes content;
    const char *directory = JS_ToCString(ctx, argv[0]);
    const char *name = JS_ToCString(ctx, argv[1]);
    content.data = (char *)JS_ToCStringLen(ctx, &content.length, argv[2]);
    if (directory == NULL || name == NULL || content.data == NULL)
        return JS_EXCEPTION;
    int error = write_durably(directory, name, content, call_id);
    JS_FreeCString(ctx, content.data);
    JS_FreeCString(ctx, name);
    JS_FreeCString(ctx, directory);
    return error == 0 ? succeeded(ctx, "written", NULL) : failed(ctx, NULL, errno_name(error));
}

static JSValue host_exit(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)
{
    (void)self, (void)argc;
    size_t length;
    int32_t status;
    const char *output = JS_ToCStringLen(ctx, &length, argv[0]);
    if (output == NULL || JS_ToInt32(ctx, &status, argv[1]) != 0)
        return JS_EXCEPTION;
    _exit(write_all(STDOUT_FILENO, output, length) == 0 ? status : 1);
}

static int run(JSContext *ctx)
{
    if (JS_AddIntrinsicBaseObjects(ctx) || JS_AddIntrinsicRegExp(ctx) || JS_AddIntrinsicJSON(ctx) || JS_AddIntrinsicMapSet(ctx))
        return -1;
    JSValue host = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, host, "id", JS_NewCFunction(ctx, host_id, "id", 0));
    JS_SetPropertyStr(ctx, host, "getenv", JS_NewCFunction(ctx, host_getenv, "getenv", 1));
    JS_SetPropertyStr(ctx, host, "readStdin", JS_NewCFunction(ctx, host_read_stdin, "readStdin", 1));
    JS_SetPropertyStr(ctx, host, "exchange", JS_NewCFunction(ctx, host_exchange, "exchange", 4));
    JS_SetPropertyStr(ctx, host, "wait", JS_NewCFunction(ctx, host_wait, "wait", 1));
    JS_SetPropertyStr(ctx, host, "spool", JS_NewCFunction(ctx, host_spool, "spool", 3));
    JS_SetPropertyStr(ctx, host, "exit", JS_NewCFunction(ctx, host_exit, "exit", 2));
    JSValue global = JS_GetGlobalObject(ctx);
    JS_SetPropertyStr(ctx, global, "host", host);
    JS_FreeValue(ctx, global);
    JSValue program = JS_ReadObject(ctx, bytecode, bytecode_length, JS_READ_OBJ_BYTECODE);
    if (JS_IsException(program) || JS_IsException(JS_EvalFunction(ctx, program))) {
        JSValue error = JS_GetException(ctx);
        const char *text = JS_ToCString(ctx, error);
        fprintf(stderr, "wellspring-cni: %s\n", text == NULL ? "no memory" : text);
    }
    return -1; /* the program leaves through host.exit */
}

int main(void)
{
    arena_populate();
    signal(SIGPIPE, SIG_IGN);
    make_call_id();
    JSRuntime *runtime = JS_NewRuntime2(&arena_functions, NULL);
    JSContext *ctx = NULL;
    if (runtime != NULL) {
        JS_SetGCThreshold(runtime, (size_t)-1); /* the process is gone before a collection would pay */
        ctx = JS_NewContextRaw(runtime);
    }
    if (ctx != NULL)
        run(ctx);
    write_all(STDOUT_FILENO, GAVE_UP, sizeof GAVE_UP - 1);
    _exit(1);
}
