// Which build of the program this is: the linker's hash of all that it has put into it.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "apus_kernels.h"

#if defined(__linux__)
#include <elf.h>
#include <link.h>
#include <pthread.h>

enum { LARGEST_BUILD = 64 };

static char build[2 * LARGEST_BUILD + 1];

static uint32_t padded(uint32_t size) { return (size + 3) & ~(uint32_t)3; }

/// Looks through notes for the build's, and writes it as hexadecimal digits.
static void find_build(const uint8_t *notes, size_t size) {
    ElfW(Nhdr) note;
    for (size_t place = 0; place + sizeof note <= size;) {
        memcpy(&note, notes + place, sizeof note);
        size_t name = place + sizeof note, content = name + padded(note.n_namesz);
        size_t next = content + padded(note.n_descsz);
        if (next > size) return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + name, "GNU", 4) == 0 &&
            note.n_descsz <= LARGEST_BUILD) {
            for (uint32_t i = 0; i < note.n_descsz; i++) snprintf(build + 2 * i, 3, "%02x", notes[content + i]);
            return;
        }
        place = next;
    }
}

/// The first of the objects is the program itself.
static int look_at_object(struct dl_phdr_info *object, size_t size, void *context) {
    (void)size;
    (void)context;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type == PT_NOTE) find_build((const uint8_t *)(object->dlpi_addr + part->p_vaddr), part->p_memsz);
    }
    return 1;
}

static void look(void) { dl_iterate_phdr(look_at_object, NULL); }

const char *apus_program_build(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look);
    return build;
}
#else
const char *apus_program_build(void) { return ""; }
#endif
