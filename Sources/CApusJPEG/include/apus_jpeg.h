/// Reading JPEG files from memory by libjpeg, whose errors are long jumps: they end here and become statuses.
#ifndef APUS_JPEG_H
#define APUS_JPEG_H

#include <stddef.h>
#include <stdint.h>

enum {
    APUS_JPEG_DONE = 0,
    /// The bytes break the format's rules.
    APUS_JPEG_DAMAGED = 1,
    /// There are too few of them.
    APUS_JPEG_CUT_SHORT = 2,
    /// Room for a message, its end mark included.
    APUS_JPEG_MESSAGE_SIZE = 200,
};

typedef struct {
    int64_t height;
    int64_t width;
    /// 1 (grey) or 3 (red, green, blue): what `apus_jpeg_pixels` gives.
    int32_t channel_count;
} apus_jpeg_size;

/// What the file says of its size; nothing is unpacked.
/// @return a status; `message` holds libjpeg's words where it is not APUS_JPEG_DONE.
int32_t apus_jpeg_header(const uint8_t *bytes, size_t byte_count, apus_jpeg_size *size, char *message);

/// The pixels, row by row from the top; `pixels` has room for the size that `apus_jpeg_header` gave.
int32_t apus_jpeg_pixels(const uint8_t *bytes, size_t byte_count, uint8_t *pixels, char *message);

#endif
