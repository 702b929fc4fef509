/*
 * Build tool: a classic script on standard input, a C file with its bytecode on standard output. It is linked with the
 * same objects as the program, so that the bytecode fits the interpreter that will read it.
 */
#include <quickjs.h>
#include <stdio.h>
#include <stdlib.h>

static char *read_all(size_t *length)
{
    size_t capacity = 1 << 20;
    char *text = malloc(capacity + 1);
    if (text == NULL)
        return NULL;
    *length = fread(text, 1, capacity, stdin);
    text[*length] = '\0'; /* JS_Eval wants it */
    return feof(stdin) ? text : NULL;
}

int main(void)
{
    size_t source_length = 0, length = 0;
    char *source = read_all(&source_length);
    JSRuntime *runtime = JS_NewRuntime();
    JSContext *ctx = runtime == NULL ? NULL : JS_NewContext(runtime);
    if (source == NULL || ctx == NULL) {
        fputs("compile: the script cannot be read, or there is no memory\n", stderr);
        return 1;
    }
    JSValue program = JS_Eval(ctx, source, source_length, "wellspring-cni", JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(program)) {
        const char *text = JS_ToCString(ctx, JS_GetException(ctx));
        fprintf(stderr, "compile: %s\n", text == NULL ? "unknown error" : text);
        return 1;
    }
    uint8_t *code = JS_WriteObject(ctx, &length, program, JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE | JS_WRITE_OBJ_STRIP_DEBUG);
    if (code == NULL) {
        fputs("compile: the bytecode cannot be written\n", stderr);
        return 1;
    }
    puts("#include <stddef.h>\nconst unsigned char bytecode[] = {");
    for (size_t i = 0; i < length; i++)
        printf("%u,%s", code[i], i % 24 == 23 ? "\n" : "");
    printf("};\nconst size_t bytecode_length = %zu;\n", length);
    return fclose(stdout) == 0 ? 0 : 1;
}
