// Memory is never writable and executable at once. Systems that allow no such change refuse it here.
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "elementwise_compiler.h"

void *apus_executable_copy(const uint8_t *bytes, size_t count, size_t *mapped_size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (count + page - 1) / page * page;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    memcpy(memory, bytes, count);
    if (mprotect(memory, size, PROT_READ | PROT_EXEC) != 0) {
        munmap(memory, size);
        return NULL;
    }
    *mapped_size = size;
    return memory;
}

void apus_executable_free(void *code, size_t mapped_size) {
    if (code) munmap(code, mapped_size);
}
