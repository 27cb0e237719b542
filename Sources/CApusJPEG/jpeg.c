#include "apus_jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

typedef struct {
    // First, as libjpeg hands back its address alone.
    struct jpeg_error_mgr library;
    jmp_buf failure;
    int32_t status;
    char *message;
} error_manager;

_Static_assert(JMSG_LENGTH_MAX <= APUS_JPEG_MESSAGE_SIZE, "libjpeg's messages need more room");

static void fail(j_common_ptr decoder) {
    error_manager *errors = (error_manager *)decoder->err;
    int code = errors->library.msg_code;
    errors->status = code == JWRN_JPEG_EOF || code == JERR_INPUT_EOF || code == JERR_INPUT_EMPTY ? APUS_JPEG_CUT_SHORT
                                                                                                : APUS_JPEG_DAMAGED;
    errors->library.format_message(decoder, errors->message);
    longjmp(errors->failure, 1);
}

// libjpeg goes on after a warning and fills with grey what is missing.
static void judge(j_common_ptr decoder, int level) {
    if (level >= 0) return;
    switch (decoder->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_TOO_MUCH_DATA:
        return;
    default:
        fail(decoder);
    }
}

// A file of a few bytes a scan can ask for the work of thousands of images. Common ones have a dozen; small images may
// have up to 500.
static void watch(j_common_ptr decoder) {
    j_decompress_ptr image = (j_decompress_ptr)decoder;
    size_t pixels = (size_t)image->image_width * image->image_height;
    int least = 50, most = 500;
    size_t fair = ((size_t)1 << 28) / (pixels > 0 ? pixels : 1);
    int limit = fair < (size_t)least ? least : fair > (size_t)most ? most : (int)fair;
    if (image->input_scan_number <= limit) return;
    error_manager *errors = (error_manager *)decoder->err;
    errors->status = APUS_JPEG_DAMAGED;
    snprintf(errors->message, APUS_JPEG_MESSAGE_SIZE, "more than %d scans", limit);
    longjmp(errors->failure, 1);
}

static void begin(struct jpeg_decompress_struct *decoder, error_manager *errors, char *message) {
    memset(decoder, 0, sizeof *decoder);
    decoder->err = jpeg_std_error(&errors->library);
    errors->library.error_exit = fail;
    errors->library.emit_message = judge;
    errors->status = APUS_JPEG_DONE;
    errors->message = message;
    message[0] = 0;
}

static void read_header(struct jpeg_decompress_struct *decoder, const uint8_t *bytes, size_t byte_count) {
    jpeg_create_decompress(decoder);
    jpeg_mem_src(decoder, bytes, byte_count);
    jpeg_read_header(decoder, TRUE);
    switch (decoder->jpeg_color_space) {
    case JCS_GRAYSCALE:
        decoder->out_color_space = JCS_GRAYSCALE;
        break;
    case JCS_CMYK:
    case JCS_YCCK:
        decoder->out_color_space = JCS_CMYK;
        break;
    default:
        decoder->out_color_space = JCS_RGB;
    }
}

int32_t apus_jpeg_header(const uint8_t *bytes, size_t byte_count, apus_jpeg_size *size, char *message) {
    struct jpeg_decompress_struct decoder;
    error_manager errors;
    begin(&decoder, &errors, message);
    if (setjmp(errors.failure) == 0) {
        read_header(&decoder, bytes, byte_count);
        size->height = decoder.image_height;
        size->width = decoder.image_width;
        size->channel_count = decoder.out_color_space == JCS_GRAYSCALE ? 1 : 3;
    }
    jpeg_destroy_decompress(&decoder);
    return errors.status;
}

// Four inks become three lights. Adobe's programs, which write such files, store them inverted.
static void convert_inks(const JSAMPLE *inks, uint8_t *pixels, size_t count, int is_inverted) {
    for (size_t index = 0; index < count; index += 1) {
        unsigned black = is_inverted ? inks[4 * index + 3] : 255u - inks[4 * index + 3];
        for (size_t channel = 0; channel < 3; channel += 1) {
            unsigned ink = is_inverted ? inks[4 * index + channel] : 255u - inks[4 * index + channel];
            pixels[3 * index + channel] = (uint8_t)((ink * black + 127) / 255);
        }
    }
}

int32_t apus_jpeg_pixels(const uint8_t *bytes, size_t byte_count, uint8_t *pixels, char *message) {
    struct jpeg_decompress_struct decoder;
    error_manager errors;
    struct jpeg_progress_mgr progress = {.progress_monitor = watch};
    begin(&decoder, &errors, message);
    if (setjmp(errors.failure) == 0) {
        read_header(&decoder, bytes, byte_count);
        decoder.progress = &progress;
        jpeg_start_decompress(&decoder);
        size_t width = decoder.output_width;
        int has_inks = decoder.out_color_space == JCS_CMYK;
        size_t row_length = width * (has_inks ? 3 : (size_t)decoder.output_components);
        JSAMPARRAY inks = NULL;
        if (has_inks)
            inks = decoder.mem->alloc_sarray((j_common_ptr)&decoder, JPOOL_IMAGE, (JDIMENSION)width * 4, 1);
        while (decoder.output_scanline < decoder.output_height) {
            JSAMPROW row = has_inks ? inks[0] : pixels + decoder.output_scanline * row_length;
            size_t line = decoder.output_scanline;
            if (jpeg_read_scanlines(&decoder, &row, 1) != 1) continue;
            if (has_inks) convert_inks(inks[0], pixels + line * row_length, width, decoder.saw_Adobe_marker);
        }
        jpeg_finish_decompress(&decoder);
    }
    jpeg_destroy_decompress(&decoder);
    return errors.status;
}
