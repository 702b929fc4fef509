#include "arena.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT ((size_t)16)
#define FIRST_BLOCK ((size_t)512 << 10)
#define NEXT_BLOCK ((size_t)4 << 20)
#define PAGE ((uintptr_t)4096)
/* What a call uses. More would cost it time: a page that is faulted in for nothing is still made of zeros. */
#define POPULATED ((size_t)288 << 10)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* In front of each allocation: its size, rounded up. Of ALIGNMENT bytes, so that what follows is aligned. */
struct header {
    size_t size;
    size_t unused;
};

static _Alignas(16) unsigned char first_block[FIRST_BLOCK];
static unsigned char *next = first_block;
static unsigned char *end = first_block + FIRST_BLOCK;
static size_t total = FIRST_BLOCK;

static struct header *header_of(const void *memory)
{
    return (struct header *)((uintptr_t)memory - sizeof(struct header));
}

static int is_youngest(const void *memory)
{
    return (const unsigned char *)memory + header_of(memory)->size == next;
}

static int add_block(size_t needed)
{
    size_t size = needed > NEXT_BLOCK ? needed : NEXT_BLOCK;
    if (size > ARENA_LIMIT - total)
        return 0;
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return 0;
    next = block;
    end = next + size;
    total += size;
    return 1;
}

static void *arena_malloc(void *opaque, size_t size)
{
    (void)opaque;
    if (size > ARENA_LIMIT)
        return NULL;
    size_t rounded = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    size_t needed = rounded + sizeof(struct header);
    if ((size_t)(end - next) < needed && !add_block(needed))
        return NULL;
    struct header *header = (struct header *)next;
    header->size = rounded;
    next += needed;
    return header + 1;
}

static void *arena_calloc(void *opaque, size_t count, size_t size)
{
    if (size != 0 && count > ARENA_LIMIT / size)
        return NULL;
    void *memory = arena_malloc(opaque, count * size);
    if (memory != NULL)
        memset(memory, 0, count * size); /* what was freed and taken again is not zero */
    return memory;
}

static void arena_free(void *opaque, void *memory)
{
    (void)opaque;
    if (memory != NULL && is_youngest(memory))
        next = (unsigned char *)header_of(memory);
}

static void *arena_realloc(void *opaque, void *memory, size_t size)
{
    if (memory == NULL)
        return arena_malloc(opaque, size);
    if (size == 0) {
        arena_free(opaque, memory);
        return NULL;
    }
    struct header *header = header_of(memory);
    if (size <= header->size)
        return memory;
    size_t rounded = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (is_youngest(memory) && rounded >= size && rounded <= (size_t)(end - (unsigned char *)memory)) {
        header->size = rounded;
        next = (unsigned char *)memory + rounded;
        return memory;
    }
    void *moved = arena_malloc(opaque, size);
    if (moved != NULL)
        memcpy(moved, memory, header->size);
    return moved;
}

static size_t arena_usable_size(const void *memory)
{
    return memory == NULL ? 0 : header_of(memory)->size;
}

void arena_populate(void)
{
    uintptr_t first_page = ((uintptr_t)first_block + PAGE - 1) & ~(PAGE - 1);
    /* Kernels before 5.14 refuse; then each page comes when it is touched. */
    madvise((void *)first_page, POPULATED, MADV_POPULATE_WRITE);
}

const JSMallocFunctions arena_functions = {
    arena_calloc, arena_malloc, arena_free, arena_realloc, arena_usable_size,
};
