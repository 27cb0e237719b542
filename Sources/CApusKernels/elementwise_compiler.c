// A loop over whole units, a vector at a time: values live in registers from their computation to their last use, where
// registers are enough. Inputs are read where they are needed, outputs written when all is computed.
//
// The code is a function (frame, byte count): rdi is the frame, rsi the count, rcx the offset in arrays, rdx that in
// the unit, r8...r11 the arrays that are used first, rax that of any other. Where windows are walked, a vector is of
// some channels at each place of a window: rcx is the offset of the first place, rdx that of the channels, r11 that in
// arrays with a number for each window, whose bytes are counted.
#include "elementwise_compiler.h"

#include <stdlib.h>
#include <string.h>

#include "elementwise_assembler.h"
#include "elementwise_lowering.h"
#include "instruction_set.h"

#if defined(__x86_64__)

enum { MOST_POINTERS = APUS_MAXIMUM_INPUTS + APUS_MAXIMUM_OUTPUTS, MOST_REGISTERS = 32, NONE = -1 };
enum { KEPT_POINTERS = 4, KEPT_POINTERS_OF_WALKS = 3 };
// Of all vectors that are worked on together.
enum { MOST_TOGETHER = 4, MOST_STEPS = APUS_MAXIMUM_PRIMITIVES };
enum { MOST_VALUES = MOST_TOGETHER * APUS_MAXIMUM_INPUTS + MOST_STEPS + MOST_TOGETHER };

_Static_assert((int)MOST_TOGETHER >= (int)APUS_MOST_WALKED_PLACES, "a window's places are together");

/// A primitive on one of the vectors that are worked on together. Value v of vector k of n is v n + k here.
typedef struct {
    apus_action action;
    int32_t detail, operands[4], operand_count;
    int32_t result;
    int32_t vector;  // of those together
} code_step;

typedef struct {
    const apus_program *program;
    apus_lowered lowered;
    apus_assembler assembler;
    int64_t vector_bytes, constant_offset, spill_offset;
    int32_t register_count;  // that hold values; the last two of all are for a single step's use
    int32_t slot_count;      // for values that found no register
    int32_t pointer_register[MOST_POINTERS];  // NONE: loaded at each use
    bool is_walk;            // over windows, whose places are the vectors together
    int32_t together;        // vectors
    int32_t count, position;
    code_step steps[MOST_STEPS];
    int32_t register_of[MOST_VALUES], slot_of[MOST_VALUES], last_use[MOST_VALUES];
    int32_t value_in[MOST_REGISTERS];
    uint32_t pinned;         // registers, a bit each
    int32_t free_slots[MOST_VALUES], free_slot_count;
} compiler;

static int32_t first_scratch(const compiler *self) { return self->register_count; }
static int32_t second_scratch(const compiler *self) { return self->register_count + 1; }

// MARK: Where values are

static apus_place frame_place(int64_t offset, int32_t index) {
    return (apus_place){.is_memory = true, .base = APUS_RDI, .index = index, .displacement = (int32_t)offset};
}

/// Whether the array has a number for each window.
static bool is_of_windows(const compiler *self, int32_t pointer) {
    if (!self->is_walk) return false;
    int32_t output = pointer - self->program->input_count;
    return output < 0 ? self->program->inputs[pointer].reading == APUS_READ_SPREAD
                      : self->program->outputs[output].pooling != APUS_WRITE_ALL;
}

static apus_place pointer_place(compiler *self, int32_t pointer, int32_t vector) {
    int32_t base = self->pointer_register[pointer], index = APUS_RCX;
    if (base == NONE) {
        base = APUS_RAX;
        apus_emit_load_address(&self->assembler, base, APUS_RDI, pointer * (int32_t)sizeof(void *));
    }
    int64_t displacement = vector * self->vector_bytes;
    if (self->is_walk) displacement = self->program->bands.pooling.offsets[vector] * (int64_t)sizeof(float);
    if (is_of_windows(self, pointer)) {
        index = APUS_R11;
        displacement = 0;
    }
    return (apus_place){.is_memory = true, .base = base, .index = index, .displacement = (int32_t)displacement};
}

/// A row of the frame that lies side by side for the vectors of the unit.
static apus_place unit_place(const compiler *self, int64_t offset, int32_t vector) {
    return frame_place(offset + vector * self->vector_bytes, APUS_RDX);
}

static bool is_computed(const compiler *self, int32_t value) {
    return value >= self->program->input_count * self->together;
}

/// Whether reading the value again costs no more than reading it once.
static bool is_near(const compiler *self, int32_t value) {
    if (value < 0) return true;
    if (is_computed(self, value)) return false;
    apus_reading reading = self->program->inputs[value / self->together].reading;
    return reading == APUS_READ_ONCE || reading == APUS_READ_PERIODIC;
}

static apus_place memory_place(compiler *self, int32_t value) {
    if (value < 0) return frame_place(self->constant_offset + (-1 - value) * 64, APUS_NO_INDEX);
    if (is_computed(self, value)) return frame_place(self->spill_offset + self->slot_of[value] * 64, APUS_NO_INDEX);
    int32_t input = value / self->together, vector = value % self->together;
    const apus_program_source *source = &self->program->inputs[input];
    switch (source->reading) {
        case APUS_READ_ONCE: return frame_place(source->frame_offset, APUS_NO_INDEX);
        // All places of a window read the same channels.
        case APUS_READ_PERIODIC: return unit_place(self, source->frame_offset, self->is_walk ? 0 : vector);
        default: return pointer_place(self, input, vector);
    }
}

// MARK: Registers

static int32_t next_use(const compiler *self, int32_t value) {
    for (int32_t position = self->position; position < self->count; position++)
        for (int index = 0; index < self->steps[position].operand_count; index++)
            if (self->steps[position].operands[index] == value) return position;
    return self->count;
}

static bool is_used_later(const compiler *self, int32_t value) {
    return value >= 0 && self->last_use[value] > self->position;
}

/// Makes room: the value whose next use is furthest goes to memory, unless it is there already.
static int32_t free_register(compiler *self, int32_t preferred) {
    if (preferred != NONE && self->value_in[preferred] == NONE) return preferred;
    int32_t chosen = NONE, furthest = -1;
    for (int32_t number = 0; number < self->register_count; number++) {
        if (self->value_in[number] == NONE) return number;
        if (self->pinned >> number & 1) continue;
        int32_t use = next_use(self, self->value_in[number]);
        if (use > furthest) {
            furthest = use;
            chosen = number;
        }
    }
    int32_t value = self->value_in[chosen];
    if (is_computed(self, value) && self->slot_of[value] == NONE) {
        self->slot_of[value] =
            self->free_slot_count > 0 ? self->free_slots[--self->free_slot_count] : self->slot_count++;
        apus_emit_vector(&self->assembler, APUS_STORE_PS, chosen, 0, memory_place(self, value), APUS_UNMASKED);
    }
    self->register_of[value] = NONE;
    self->value_in[chosen] = NONE;
    return chosen;
}

static void hold(compiler *self, int32_t value, int32_t number) {
    self->register_of[value] = number;
    self->value_in[number] = value;
    self->pinned |= 1u << number;
}

static bool is_in_register(const compiler *self, int32_t value) {
    return value >= 0 && self->register_of[value] != NONE;
}

/// The value's register; a constant gets `scratch`.
static int32_t into_register(compiler *self, int32_t value, int32_t scratch) {
    if (is_in_register(self, value)) {
        self->pinned |= 1u << self->register_of[value];
        return self->register_of[value];
    }
    int32_t number = value < 0 ? scratch : free_register(self, NONE);
    apus_emit_vector(&self->assembler, APUS_LOAD_PS, number, 0, memory_place(self, value), APUS_UNMASKED);
    if (value >= 0) hold(self, value, number);
    return number;
}

/// The operand that may be in memory; it is kept in a register if it is far away and used again.
static apus_place into_place(compiler *self, int32_t value) {
    if (is_in_register(self, value) || (!is_near(self, value) && is_used_later(self, value)))
        return apus_vector(into_register(self, value, NONE));
    return memory_place(self, value);
}

/// Gives back the registers of what this primitive is the last to use.
static void release_registers(compiler *self, const code_step *step) {
    for (int index = 0; index < step->operand_count; index++) {
        int32_t value = step->operands[index];
        if (value < 0 || is_used_later(self, value) || self->register_of[value] == NONE) continue;
        self->value_in[self->register_of[value]] = NONE;
        self->register_of[value] = NONE;
    }
}

/// Likewise its places in memory, which its instruction may still read.
static void release_slots(compiler *self, const code_step *step) {
    for (int index = 0; index < step->operand_count; index++) {
        int32_t value = step->operands[index];
        if (value < 0 || is_used_later(self, value) || self->slot_of[value] == NONE) continue;
        self->free_slots[self->free_slot_count++] = self->slot_of[value];
        self->slot_of[value] = NONE;
    }
}

static int32_t result_register(compiler *self, const code_step *step, int32_t preferred) {
    release_registers(self, step);
    int32_t number = free_register(self, preferred < self->register_count ? preferred : NONE);
    hold(self, step->result, number);
    return number;
}

// MARK: Primitives

/// The instruction of a primitive of one or two operands.
static int32_t opcode_of(apus_action action) {
    switch (action) {
        case APUS_TO_ADD: return APUS_ADD_PS;
        case APUS_TO_SUBTRACT: return APUS_SUB_PS;
        case APUS_TO_MULTIPLY: return APUS_MUL_PS;
        case APUS_TO_DIVIDE: return APUS_DIV_PS;
        case APUS_TO_TAKE_LARGER: return APUS_MAX_PS;
        case APUS_TO_TAKE_SMALLER: return APUS_MIN_PS;
        case APUS_TO_SQUARE_ROOT: return APUS_SQRT_PS;
        case APUS_TO_FLOOR: return APUS_ROUND_PS;
        case APUS_TO_AND: return APUS_AND_D;
        case APUS_TO_OR: return APUS_OR_D;
        case APUS_TO_EXCLUSIVE_OR: return APUS_XOR_D;
        case APUS_TO_ADD_INTEGERS: return APUS_ADD_D;
        case APUS_TO_SUBTRACT_INTEGERS: return APUS_SUB_D;
        case APUS_TO_FROM_INTEGER: return APUS_CVT_DQ_PS;
        default: return APUS_LOAD_PS;
    }
}

static bool is_commutative(apus_action action) {
    return action == APUS_TO_ADD || action == APUS_TO_MULTIPLY || action == APUS_TO_AND || action == APUS_TO_OR ||
           action == APUS_TO_EXCLUSIVE_OR || action == APUS_TO_ADD_INTEGERS;
}

static void emit_one(compiler *self, const code_step *step) {
    apus_place a = into_place(self, step->operands[0]);
    int32_t result = result_register(self, step, NONE);
    apus_emit_vector(&self->assembler, opcode_of(step->action), result, 0, a, APUS_UNMASKED);
    if (step->action == APUS_TO_FLOOR) apus_emit_number(&self->assembler, 9, 1);
}

static void emit_two(compiler *self, const code_step *step) {
    int32_t a = step->operands[0], b = step->operands[1];
    if (is_commutative(step->action) && !is_in_register(self, a) && (is_in_register(self, b) || is_near(self, a))) {
        int32_t other = a;
        a = b;
        b = other;
    }
    int32_t first = into_register(self, a, first_scratch(self));
    apus_place second = into_place(self, b);
    int32_t result = result_register(self, step, first);
    apus_emit_vector(&self->assembler, opcode_of(step->action), result, first, second, APUS_UNMASKED);
}

static void emit_shift(compiler *self, const code_step *step) {
    int32_t a = into_register(self, step->operands[0], first_scratch(self));
    int32_t result = result_register(self, step, a), digit = step->action == APUS_TO_SHIFT_LEFT ? 6 : 4;
    apus_emit_vector(&self->assembler, APUS_SHIFT_D, digit, result, apus_vector(a), APUS_UNMASKED);
    apus_emit_number(&self->assembler, step->detail, 1);
}

/// One of the three operands is written over: which, decides the instruction's form.
static void emit_multiply_add(compiler *self, const code_step *step) {
    int32_t opcode = step->action == APUS_TO_MULTIPLY_ADD        ? APUS_FMADD132_PS
                     : step->action == APUS_TO_MULTIPLY_SUBTRACT ? APUS_FMSUB132_PS
                                                                 : APUS_FNMADD132_PS;
    int32_t a = step->operands[0], b = step->operands[1], c = step->operands[2];
    if (!is_in_register(self, a) && (is_in_register(self, b) || is_near(self, a))) {
        a = step->operands[1];
        b = step->operands[0];
    }
    int32_t first = into_register(self, a, first_scratch(self));
    // A far c comes first, since its address and that of b would take the same register.
    bool is_far = !is_near(self, c);
    apus_place third = apus_vector(is_far ? into_register(self, c, NONE) : NONE);
    apus_place second = into_place(self, b);
    if (!is_far) third = into_place(self, c);
    int32_t preferred = !third.is_memory && !is_used_later(self, c)    ? third.number
                        : !is_used_later(self, a)                      ? first
                        : !second.is_memory && !is_used_later(self, b) ? second.number
                                                                       : NONE;
    int32_t result = result_register(self, step, preferred);
    if (!third.is_memory && result == third.number) {
        apus_emit_vector(&self->assembler, opcode + 0x20, result, first, second, APUS_UNMASKED);
    } else if (result == first && second.is_memory) {
        if (third.is_memory) {
            apus_emit_vector(&self->assembler, APUS_LOAD_PS, second_scratch(self), 0, third, APUS_UNMASKED);
            third = apus_vector(second_scratch(self));
        }
        apus_emit_vector(&self->assembler, opcode, result, third.number, second, APUS_UNMASKED);
    } else if (result == first) {
        apus_emit_vector(&self->assembler, opcode + 0x10, result, second.number, third, APUS_UNMASKED);
    } else if (!second.is_memory && result == second.number) {
        apus_emit_vector(&self->assembler, opcode + 0x10, result, first, third, APUS_UNMASKED);
    } else {
        apus_emit_vector(&self->assembler, APUS_LOAD_PS, result, 0, third, APUS_UNMASKED);
        apus_emit_vector(&self->assembler, opcode + 0x20, result, first, second, APUS_UNMASKED);
    }
}

/// Compares, then keeps or chooses by the mask: AVX-512's k1, or AVX2's second scratch register.
static void emit_masked(compiler *self, const code_step *step) {
    bool is_wide = self->assembler.is_wide, is_choice = step->action == APUS_TO_CHOOSE;
    const int32_t *operands = step->operands;
    int32_t mask = is_wide ? 1 : second_scratch(self);
    int32_t a = into_register(self, operands[0], first_scratch(self));
    apus_place b = into_place(self, operands[1]);
    bool is_by_bits = step->detail == APUS_IF_SAME_BITS;
    apus_emit_vector(&self->assembler, is_by_bits ? APUS_EQUAL_D : APUS_CMP_PS, mask, a, b, APUS_UNMASKED);
    if (!is_by_bits) apus_emit_number(&self->assembler, step->detail, 1);
    // A register that only the comparison needed is free for the others.
    int32_t no = is_choice ? into_register(self, operands[3], first_scratch(self)) : mask;
    apus_place yes = into_place(self, operands[2]);
    int32_t result = result_register(self, step, NONE);
    if (is_wide && is_choice) {
        apus_emit_vector(&self->assembler, APUS_BLENDM_PS, result, no, yes, APUS_BY_MASK);
    } else if (is_wide) {
        apus_emit_vector(&self->assembler, APUS_LOAD_PS, result, 0, yes, APUS_KEEP_MASKED);
    } else if (is_choice) {
        apus_emit_vector(&self->assembler, APUS_BLENDV_PS, result, no, yes, APUS_UNMASKED);
        apus_emit_number(&self->assembler, mask << 4, 1);
    } else {
        apus_emit_vector(&self->assembler, APUS_AND_PS, result, mask, yes, APUS_UNMASKED);
    }
}

/// Of a window's first place.
static int64_t channel_bytes(const compiler *self) {
    return self->program->bands.pooling.pooling.channels * (int64_t)sizeof(float);
}

static void emit_accumulate(compiler *self, const code_step *step) {
    int64_t offset = self->program->lanes_offset + step->detail * self->program->unit * (int64_t)sizeof(float);
    apus_place lanes = self->is_walk ? unit_place(self, offset + step->vector * channel_bytes(self), 0)
                                     : unit_place(self, offset, step->vector);
    int32_t value = into_register(self, step->operands[0], first_scratch(self));
    apus_emit_vector(&self->assembler, APUS_ADD_PS, second_scratch(self), value, lanes, APUS_UNMASKED);
    apus_emit_vector(&self->assembler, APUS_STORE_PS, second_scratch(self), 0, lanes, APUS_UNMASKED);
    release_registers(self, step);
}

static void emit_store(compiler *self, const code_step *step) {
    int32_t value = into_register(self, step->operands[0], first_scratch(self));
    apus_place place = pointer_place(self, step->detail, step->vector);
    apus_emit_vector(&self->assembler, APUS_STORE_PS, value, 0, place, APUS_UNMASKED);
    release_registers(self, step);
}

static void emit_step(compiler *self, const code_step *step) {
    self->pinned = 0;
    switch (step->action) {
        case APUS_TO_STORE: emit_store(self, step); break;
        case APUS_TO_ACCUMULATE: emit_accumulate(self, step); break;
        case APUS_TO_KEEP:
        case APUS_TO_CHOOSE: emit_masked(self, step); break;
        case APUS_TO_MULTIPLY_ADD:
        case APUS_TO_MULTIPLY_SUBTRACT:
        case APUS_TO_SUBTRACT_PRODUCT: emit_multiply_add(self, step); break;
        case APUS_TO_SHIFT_LEFT:
        case APUS_TO_SHIFT_RIGHT: emit_shift(self, step); break;
        case APUS_TO_COPY:
        case APUS_TO_SQUARE_ROOT:
        case APUS_TO_FLOOR:
        case APUS_TO_FROM_INTEGER: emit_one(self, step); break;
        default: emit_two(self, step); break;
    }
    release_slots(self, step);
}

// MARK: The loop

/// The needed primitives for `together` vectors at once; a walk's are for all its places already.
static void list_steps(compiler *self, int32_t together) {
    int32_t copies = self->is_walk ? 1 : together;
    self->together = together;
    self->count = 0;
    memset(self->last_use, NONE, sizeof self->last_use);
    for (int32_t index = 0; index < self->lowered.count; index++) {
        const apus_primitive *primitive = &self->lowered.primitives[index];
        if (!primitive->is_needed) continue;
        for (int32_t copy = 0; copy < copies; copy++) {
            code_step *added = &self->steps[self->count];
            *added = (code_step){
                .action = primitive->action,
                .detail = primitive->detail,
                .operand_count = apus_primitive_operand_count(primitive->action),
                .result = (self->lowered.input_count + index) * copies + copy,
                .vector = self->is_walk ? primitive->place : copy,
            };
            for (int place = 0; place < added->operand_count; place++) {
                int32_t value = primitive->operands[place];
                added->operands[place] = value < 0 ? value : value * copies + copy;
                if (value >= 0) self->last_use[added->operands[place]] = self->count;
            }
            self->count++;
        }
    }
}

/// How many registers a single vector takes where nothing goes to memory.
static int32_t most_registers(compiler *self) {
    list_steps(self, 1);
    int32_t most = 0, taken = 0;
    memset(self->register_of, NONE, sizeof self->register_of);
    for (self->position = 0; self->position < self->count; self->position++) {
        const code_step *next = &self->steps[self->position];
        int32_t values[5];
        memcpy(values, next->operands, sizeof next->operands);
        values[next->operand_count] = next->result;
        for (int index = 0; index <= next->operand_count; index++) {
            if (is_near(self, values[index]) || self->register_of[values[index]] != NONE) continue;
            self->register_of[values[index]] = 0;
            taken++;
        }
        if (taken > most) most = taken;
        for (int index = 0; index <= next->operand_count; index++) {
            if (is_near(self, values[index]) || self->register_of[values[index]] == NONE) continue;
            if (is_used_later(self, values[index])) continue;
            self->register_of[values[index]] = NONE;
            taken--;
        }
    }
    return most;
}

static int32_t choose_together(compiler *self) {
    enum { MOST_UNROLLED = 1024 };
    if (self->is_walk) return (int32_t)self->program->bands.pooling.places;
    int32_t registers = most_registers(self), count = self->count, together = MOST_TOGETHER;
    int64_t vectors = self->program->unit * (int64_t)sizeof(float) / self->vector_bytes;
    while (together > 1 && (vectors % together != 0 || together * registers > self->register_count ||
                            together * count > MOST_UNROLLED))
        together /= 2;
    return together;
}

static void emit_steps(compiler *self) {
    memset(self->register_of, NONE, sizeof self->register_of);
    memset(self->slot_of, NONE, sizeof self->slot_of);
    memset(self->value_in, NONE, sizeof self->value_in);
    self->free_slot_count = self->slot_count = 0;
    for (self->position = 0; self->position < self->count; self->position++)
        emit_step(self, &self->steps[self->position]);
}

/// The arrays that are used first get registers.
static void place_pointers(compiler *self) {
    memset(self->pointer_register, NONE, sizeof self->pointer_register);
    int32_t count = 0, pointers = apus_sum_pointer(self->program, self->program->sum_count);
    int32_t kept = self->is_walk ? KEPT_POINTERS_OF_WALKS : KEPT_POINTERS;
    for (int32_t pointer = 0; pointer < pointers && count < kept; pointer++) {
        if (pointer < self->program->input_count) {
            apus_reading reading = self->program->inputs[pointer].reading;
            if (is_near(self, pointer * self->together) || reading == APUS_READ_NEVER) continue;
        }
        self->pointer_register[pointer] = APUS_R8 + count++;
        apus_emit_load_address(
            &self->assembler, self->pointer_register[pointer], APUS_RDI, pointer * (int32_t)sizeof(void *));
    }
}

#define EMIT(assembler, ...) \
    apus_emit_bytes(assembler, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/// jb: back to `target` while the comparison before found less.
static void emit_jump_if_below(apus_assembler *assembler, size_t target) {
    EMIT(assembler, 0x0f, 0x82);
    apus_emit_number(assembler, (int64_t)target - (int64_t)(assembler->count + 4), 4);
}

/// Asks for the next band's numbers: the processor does not foresee where its rows begin.
static void emit_prefetches(compiler *self) {
    int64_t band_bytes = self->program->bands.band * (int64_t)sizeof(float);
    for (int32_t input = 0; input < self->program->input_count; input++) {
        if (self->program->inputs[input].reading != APUS_READ_IN_PLACE) continue;
        for (int32_t vector = 0; vector < self->together; vector++) {
            apus_place place = pointer_place(self, input, vector);
            place.displacement += (int32_t)band_bytes;
            apus_emit_prefetch(&self->assembler, place);
        }
    }
}

/// add with a register and 32 bits.
static void emit_advance(apus_assembler *assembler, int32_t target, int64_t bytes) {
    EMIT(assembler, (uint8_t)(0x48 | target >> 3), 0x81, (uint8_t)(0xc0 | (target & 7)));
    apus_emit_number(assembler, bytes, 4);
}

static void emit_function(compiler *self) {
    apus_assembler *assembler = &self->assembler;
    const apus_pooling_description *windows = &self->program->bands.pooling.pooling;
    int64_t row_bytes = self->is_walk ? channel_bytes(self) : self->program->unit * (int64_t)sizeof(float);
    int64_t bytes = self->is_walk ? self->vector_bytes : self->together * self->vector_bytes;
    EMIT(assembler, 0xf3, 0x0f, 0x1e, 0xfa);  // endbr64
    place_pointers(self);
    EMIT(assembler, 0x31, 0xc9);  // xor ecx, ecx
    if (self->is_walk) EMIT(assembler, 0x45, 0x31, 0xdb);  // xor r11d, r11d
    size_t row = assembler->count;
    EMIT(assembler, 0x31, 0xd2);  // xor edx, edx
    size_t vector = assembler->count;
    if (self->is_walk) emit_prefetches(self);
    emit_steps(self);
    emit_advance(assembler, APUS_RCX, bytes);
    if (self->is_walk) emit_advance(assembler, APUS_R11, bytes);
    if (bytes < row_bytes) {
        emit_advance(assembler, APUS_RDX, bytes);
        EMIT(assembler, 0x48, 0x81, 0xfa);  // cmp rdx, row
        apus_emit_number(assembler, row_bytes, 4);
        emit_jump_if_below(assembler, vector);
    }
    if (self->is_walk) {
        // The first place of the next window.
        emit_advance(assembler, APUS_RCX, (windows->window[2] - 1) * row_bytes);
        EMIT(assembler, 0x49, 0x39, 0xf3);  // cmp r11, rsi
    } else {
        EMIT(assembler, 0x48, 0x39, 0xf1);  // cmp rcx, rsi
    }
    emit_jump_if_below(assembler, row);
    EMIT(assembler, 0xc5, 0xf8, 0x77);  // vzeroupper
    EMIT(assembler, 0xc3);              // ret
}

/// A walk's vectors are of whole channels of a window; its form does not change its sums.
static bool fits(const apus_program *program, apus_program_form form) {
    int64_t lanes = form == APUS_FORM_AVX512 ? 16 : 8;
    return !program->bands.are_walked || program->bands.pooling.pooling.channels % lanes == 0;
}

static apus_program_form best_form(const apus_program *program, apus_program_form wanted) {
    // The levels are those of APUS_VARIANTS: with AVX2, products are fused into sums there, too.
    apus_level level = apus_instruction_level();
    bool has_third = level >= APUS_LEVEL_AVX2, has_fourth = level == APUS_LEVEL_AVX512;
    if (has_fourth && wanted != APUS_FORM_AVX2 && fits(program, APUS_FORM_AVX512)) return APUS_FORM_AVX512;
    return has_third && wanted != APUS_FORM_AVX512 ? APUS_FORM_AVX2 : APUS_FORM_INTERPRETED;
}

/// Writes the code into `capacity` bytes; 0 if they are too few, else how many it has.
static size_t write_code(compiler *self, uint8_t *bytes, size_t capacity) {
    self->assembler.bytes = bytes;
    self->assembler.capacity = capacity;
    self->assembler.count = 0;
    emit_function(self);
    return self->assembler.count <= capacity ? self->assembler.count : 0;
}

void apus_program_compile(apus_program *program, apus_program_form wanted) {
    apus_program_form form = best_form(program, wanted);
    if (form == APUS_FORM_INTERPRETED || program->whole == 0) return;
    enum { CAPACITY = 1 << 20 };
    compiler *self = malloc(sizeof *self);
    uint8_t *bytes = malloc(CAPACITY);
    if (self && bytes && apus_lower(program, &self->lowered)) {
        bool is_wide = form == APUS_FORM_AVX512;
        self->program = program;
        self->is_walk = program->bands.are_walked;
        self->assembler.is_wide = is_wide;
        self->vector_bytes = is_wide ? 64 : 32;
        self->register_count = is_wide ? 30 : 14;
        self->constant_offset = program->frame_size;
        self->spill_offset = self->constant_offset + self->lowered.constant_count * 64;
        list_steps(self, choose_together(self));
        size_t count = write_code(self, bytes, CAPACITY);
        apus_program_code *code = &program->code;
        code->constants = malloc((size_t)(self->lowered.constant_count + 1) * sizeof *code->constants);
        void *function = count > 0 && code->constants ? apus_executable_copy(bytes, count, &code->mapped_size) : NULL;
        if (function) {
            memcpy(&code->function, &function, sizeof function);
            code->form = form;
            code->constant_count = self->lowered.constant_count;
            code->constant_offset = self->constant_offset;
            memcpy(code->constants, self->lowered.constants, (size_t)code->constant_count * sizeof *code->constants);
            program->frame_size = self->spill_offset + self->slot_count * 64;
        }
    }
    free(bytes);
    free(self);
}

#else

void apus_program_compile(apus_program *program, apus_program_form form) {
    (void)program;
    (void)form;
}

#endif

void apus_program_discard_code(apus_program *program) {
    void *function;
    memcpy(&function, &program->code.function, sizeof function);
    apus_executable_free(function, program->code.mapped_size);
    free(program->code.constants);
}
