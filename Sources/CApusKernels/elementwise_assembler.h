/// Writing x86-64 vector instructions: AVX-512 in EVEX form, or AVX2 with FMA in VEX form.
/// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, 2.3 (VEX), 2.7 (EVEX), 2.1 (ModRM).
#ifndef APUS_ELEMENTWISE_ASSEMBLER_H
#define APUS_ELEMENTWISE_ASSEMBLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// General registers by their numbers in instructions.
enum {
    APUS_RAX = 0,
    APUS_RCX = 1,
    APUS_RDX = 2,
    APUS_NO_INDEX = 4,
    APUS_RSI = 6,
    APUS_RDI = 7,
    APUS_R8 = 8,
    APUS_R11 = 11,
};

// The opcode's map (1: 0F, 2: 0F38, 3: 0F3A), its prefix (0: none, 1: 66), its last byte. Where two are given, the
// first belongs to AVX-512, the second to AVX2.
#define APUS_OPCODE(map, prefix, byte) ((map) << 12 | (prefix) << 8 | (byte))
enum {
    APUS_LOAD_PS = APUS_OPCODE(1, 0, 0x10),
    APUS_STORE_PS = APUS_OPCODE(1, 0, 0x11),
    APUS_SQRT_PS = APUS_OPCODE(1, 0, 0x51),
    APUS_AND_PS = APUS_OPCODE(1, 0, 0x54),
    APUS_ADD_PS = APUS_OPCODE(1, 0, 0x58),
    APUS_MUL_PS = APUS_OPCODE(1, 0, 0x59),
    APUS_CVT_DQ_PS = APUS_OPCODE(1, 0, 0x5b),
    APUS_SUB_PS = APUS_OPCODE(1, 0, 0x5c),
    APUS_MIN_PS = APUS_OPCODE(1, 0, 0x5d),
    APUS_DIV_PS = APUS_OPCODE(1, 0, 0x5e),
    APUS_MAX_PS = APUS_OPCODE(1, 0, 0x5f),
    APUS_CMP_PS = APUS_OPCODE(1, 0, 0xc2),      // immediate: predicate
    APUS_SHIFT_D = APUS_OPCODE(1, 1, 0x72),     // target: 6 left, 4 right; `first` is written; immediate: bits
    APUS_EQUAL_D = APUS_OPCODE(1, 1, 0x76),
    APUS_AND_D = APUS_OPCODE(1, 1, 0xdb),
    APUS_OR_D = APUS_OPCODE(1, 1, 0xeb),
    APUS_XOR_D = APUS_OPCODE(1, 1, 0xef),
    APUS_SUB_D = APUS_OPCODE(1, 1, 0xfa),
    APUS_ADD_D = APUS_OPCODE(1, 1, 0xfe),
    APUS_BLENDM_PS = APUS_OPCODE(2, 1, 0x65),   // AVX-512: by mask register
    APUS_ROUND_PS = APUS_OPCODE(3, 1, 0x08),    // immediate 9: down
    APUS_BLENDV_PS = APUS_OPCODE(3, 1, 0x4a),   // AVX2: immediate: mask's register * 16
    // target = target second + first; 0x10 more: target = first target + second; 0x20 more: first second + target.
    APUS_FMADD132_PS = APUS_OPCODE(2, 1, 0x98),
    APUS_FMSUB132_PS = APUS_OPCODE(2, 1, 0x9a),   // with - for +
    APUS_FNMADD132_PS = APUS_OPCODE(2, 1, 0x9c),  // with the product negated
};

/// What lanes a mask register leaves: none is used, all with a choice by it, or its own with 0 elsewhere.
typedef enum { APUS_UNMASKED = 0, APUS_BY_MASK = 0x01, APUS_KEEP_MASKED = 0x81 } apus_masking;

typedef struct {
    uint8_t *bytes;
    size_t count, capacity;  // counting goes on beyond the capacity, writing does not
    bool is_wide;            // 16 lanes, else 8
} apus_assembler;

/// A vector register, or memory at base + index + displacement.
typedef struct {
    bool is_memory;
    int32_t number;
    int32_t base, index, displacement;
} apus_place;

static inline apus_place apus_vector(int32_t number) { return (apus_place){.number = number}; }

void apus_emit_bytes(apus_assembler *assembler, const uint8_t *bytes, size_t count);
void apus_emit_number(apus_assembler *assembler, int64_t number, size_t byte_count);

/// target = first opcode second; instructions of one operand have `first` 0.
void apus_emit_vector(
    apus_assembler *assembler, int32_t opcode, int32_t target, int32_t first, apus_place second, apus_masking masking);

/// prefetcht0 of memory.
void apus_emit_prefetch(apus_assembler *assembler, apus_place place);

/// A general register = the 8 bytes at base + displacement.
void apus_emit_load_address(apus_assembler *assembler, int32_t target, int32_t base, int32_t displacement);

#endif
