/// Machine code for element-wise programs.
#ifndef APUS_ELEMENTWISE_COMPILER_H
#define APUS_ELEMENTWISE_COMPILER_H

#include "elementwise_program.h"

/// Gives the program code in the wanted form, or leaves it to the interpreter: where an operation has no code, where
/// the processor has not the form's instructions, and where the system refuses memory that can be executed.
/// The frames are not allocated yet; their size grows by what the code needs.
void apus_program_compile(apus_program *program, apus_program_form form);
void apus_program_discard_code(apus_program *program);

/// A copy of the bytes that can be executed and no longer written, or NULL.
void *apus_executable_copy(const uint8_t *bytes, size_t count, size_t *mapped_size);
void apus_executable_free(void *code, size_t mapped_size);

#endif
