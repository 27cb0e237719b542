#include "elementwise_assembler.h"

void apus_emit_bytes(apus_assembler *assembler, const uint8_t *bytes, size_t count) {
    for (size_t index = 0; index < count; index++, assembler->count++)
        if (assembler->count < assembler->capacity) assembler->bytes[assembler->count] = bytes[index];
}

void apus_emit_number(apus_assembler *assembler, int64_t number, size_t byte_count) {
    for (size_t index = 0; index < byte_count; index++)
        apus_emit_bytes(assembler, &(uint8_t){(uint8_t)(number >> (8 * index))}, 1);
}

/// Bit `index` of a register's number, inverted as prefixes want it, at bit `place`.
static uint8_t inverted(int32_t number, int index, int place) {
    return (uint8_t)((~(uint32_t)number >> index & 1) << place);
}

/// Base, index and 32 bits of displacement, after the opcode.
static void emit_address(apus_assembler *assembler, int32_t target, apus_place place) {
    apus_emit_number(assembler, 0x84 | (target & 7) << 3, 1);
    apus_emit_number(assembler, (place.index & 7) << 3 | (place.base & 7), 1);
    apus_emit_number(assembler, place.displacement, 4);
}

void apus_emit_vector(
    apus_assembler *assembler, int32_t opcode, int32_t target, int32_t first, apus_place second, apus_masking masking) {
    uint8_t map = (uint8_t)(opcode >> 12), prefix = (uint8_t)(opcode >> 8 & 15);
    // Extensions of the second operand's register, or of its address.
    uint8_t low = inverted(second.is_memory ? second.base : second.number, 3, 5);
    uint8_t high = second.is_memory ? inverted(second.index, 3, 6) : inverted(second.number, 4, 6);
    uint8_t others = (uint8_t)((~(uint32_t)first & 15) << 3);
    if (assembler->is_wide) {
        uint8_t bytes[] = {
            0x62,
            (uint8_t)(inverted(target, 3, 7) | high | low | inverted(target, 4, 4) | map),
            (uint8_t)(others | 1 << 2 | prefix),
            (uint8_t)(2 << 5 | inverted(first, 4, 3) | (uint8_t)masking),  // 2: 512 bits
        };
        apus_emit_bytes(assembler, bytes, sizeof bytes);
    } else {
        uint8_t bytes[] = {
            0xc4,
            (uint8_t)(inverted(target, 3, 7) | high | low | map),
            (uint8_t)(others | 1 << 2 | prefix),  // 1: 256 bits
        };
        apus_emit_bytes(assembler, bytes, sizeof bytes);
    }
    apus_emit_number(assembler, opcode & 0xff, 1);
    if (!second.is_memory) {
        apus_emit_number(assembler, 0xc0 | (target & 7) << 3 | (second.number & 7), 1);
        return;
    }
    emit_address(assembler, target, second);
}

void apus_emit_prefetch(apus_assembler *assembler, apus_place place) {
    apus_emit_number(assembler, 0x40 | (place.index >> 3) << 1 | place.base >> 3, 1);
    apus_emit_number(assembler, 0x0f, 1);
    apus_emit_number(assembler, 0x18, 1);
    emit_address(assembler, 1, place);
}

void apus_emit_load_address(apus_assembler *assembler, int32_t target, int32_t base, int32_t displacement) {
    apus_emit_number(assembler, 0x48 | (target >> 3) << 2 | base >> 3, 1);
    apus_emit_number(assembler, 0x8b, 1);
    apus_emit_number(assembler, 0x80 | (target & 7) << 3 | (base & 7), 1);
    apus_emit_number(assembler, displacement, 4);
}
