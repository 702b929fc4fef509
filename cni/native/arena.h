/*
 * Memory for a process that lives for two milliseconds: taken from the front of large blocks and hardly ever given back.
 * Only the youngest allocation can be freed or grown in place, which is what building a long string does.
 */
#ifndef WELLSPRING_ARENA_H
#define WELLSPRING_ARENA_H

#include <quickjs.h>

/* For JS_NewRuntime2. The largest sum of all blocks is ARENA_LIMIT; beyond it an allocation fails. */
extern const JSMallocFunctions arena_functions;

#define ARENA_LIMIT ((size_t)256 << 20)

/* To be called first: what nearly every call uses comes by one system call instead of a page fault for each page. */
void arena_populate(void);

#endif
