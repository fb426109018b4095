/* NumPy's .npy files, format versions 1 to 3. A header is text from anywhere: every number in it
 * is bounded before it is used, and the file must hold exactly the data that it announces. */
#define _POSIX_C_SOURCE 200809L
#include "arrays.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t LARGEST_HEADER = 1 << 16;
static const int64_t LARGEST_ARRAY = INT64_C(1) << 47;

typedef struct {
    const char *at;
    const char *end;
} text;

typedef struct {
    char order;
    char kind;
    int64_t bytes;
    int fortran;
    int rank;
    int64_t shape[MOST_AXES];
} header;

int fail(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fputs("error: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    return 1;
}

void *memory(int64_t bytes)
{
    void *found = NULL;
    size_t wanted = bytes > 0 ? (size_t)bytes : 1;
    return posix_memalign(&found, 64, wanted) == 0 ? found : NULL;
}

int64_t element_count(const array *value)
{
    int64_t count = 1;
    for (int axis = 0; axis < value->rank; axis++)
        count *= value->shape[axis];
    return count;
}

const char *shape_text(int rank, const int64_t *shape, char *written)
{
    char *at = written;
    *at++ = '[';
    for (int axis = 0; axis < rank; axis++)
        at += sprintf(at, axis ? ", %lld" : "%lld", (long long)shape[axis]);
    strcpy(at, "]");
    return written;
}

static int is_little(void)
{
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 1;
}

/* The header's Python dictionary. */

static void skip_blanks(text *rest)
{
    while (rest->at < rest->end && strchr(" \t\r\n", *rest->at) && *rest->at)
        rest->at++;
}

static int take(text *rest, char wanted)
{
    skip_blanks(rest);
    if (rest->at == rest->end || *rest->at != wanted)
        return 0;
    rest->at++;
    return 1;
}

static int take_word(text *rest, const char *word)
{
    size_t length = strlen(word);
    skip_blanks(rest);
    if ((size_t)(rest->end - rest->at) < length || memcmp(rest->at, word, length) != 0)
        return 0;
    rest->at += length;
    return 1;
}

static int take_string(text *rest, char *word, int room)
{
    skip_blanks(rest);
    if (rest->at == rest->end || (*rest->at != '\'' && *rest->at != '"'))
        return 0;
    char quote = *rest->at++;
    int length = 0;
    while (rest->at < rest->end && *rest->at != quote) {
        if (*rest->at < ' ' || length == room - 1)
            return 0;
        word[length++] = *rest->at++;
    }
    word[length] = '\0';
    return take(rest, quote);
}

static int take_number(text *rest, int64_t *number)
{
    skip_blanks(rest);
    const char *start = rest->at;
    *number = 0;
    while (rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9') {
        if (*number > LARGEST_ARRAY)
            return 0;
        *number = *number * 10 + (*rest->at++ - '0');
    }
    return rest->at > start;
}

static int take_shape(text *rest, header *found)
{
    int comma = 1;
    if (!take(rest, '('))
        return 0;
    for (found->rank = 0; !take(rest, ')'); found->rank++) {
        if (!comma || found->rank == MOST_AXES)
            return 0;
        if (!take_number(rest, &found->shape[found->rank]))
            return 0;
        comma = take(rest, ',');
    }
    return comma || found->rank != 1; /* (3) is no tuple */
}

static int take_type(text *rest, header *found)
{
    char word[32];
    if (!take_string(rest, word, (int)sizeof word) || strlen(word) < 3)
        return 0;
    text digits = {word + 2, word + strlen(word)};
    found->order = word[0];
    found->kind = word[1];
    return strchr("<>|=", word[0]) && take_number(&digits, &found->bytes)
        && digits.at == digits.end;
}

static int take_entry(text *rest, header *found, int *seen)
{
    char key[32];
    if (!take_string(rest, key, (int)sizeof key) || !take(rest, ':'))
        return 0;
    if (strcmp(key, "descr") == 0) {
        *seen |= 1;
        return take_type(rest, found);
    }
    if (strcmp(key, "fortran_order") == 0) {
        *seen |= 2;
        found->fortran = take_word(rest, "True");
        return found->fortran || take_word(rest, "False");
    }
    *seen |= 4;
    return strcmp(key, "shape") == 0 && take_shape(rest, found);
}

static int take_header(text rest, header *found)
{
    int seen = 0;
    int comma = 1;
    if (!take(&rest, '{'))
        return 0;
    while (!take(&rest, '}')) {
        if (!comma || !take_entry(&rest, found, &seen))
            return 0;
        comma = take(&rest, ',');
    }
    skip_blanks(&rest);
    return seen == 7 && rest.at == rest.end;
}

static int read_failed(FILE *file, const char *path, const char *what)
{
    if (ferror(file))
        return fail("%s: %s", path, strerror(errno));
    return fail("%s: got a file that ends inside its %s, expected a whole .npy file", path, what);
}

static int read_header(FILE *file, const char *path, header *found)
{
    unsigned char start[12];
    if (fread(start, 1, 8, file) != 8)
        return read_failed(file, path, "first 8 bytes");
    if (memcmp(start, "\x93NUMPY", 6) != 0)
        return fail("%s: got a file of another kind, expected a .npy file", path);
    int version = start[6];
    if (version < 1 || version > 3)
        return fail("%s: got .npy format version %d, expected 1, 2 or 3", path, version);
    size_t width = version == 1 ? 2 : 4;
    if (fread(start + 8, 1, width, file) != width)
        return read_failed(file, path, "header");
    int64_t length = start[8] | start[9] << 8;
    if (width == 4)
        length |= (int64_t)start[10] << 16 | (int64_t)start[11] << 24;
    if (length > LARGEST_HEADER)
        return fail("%s: got a header of %lld bytes, expected at most %lld", path,
                    (long long)length, (long long)LARGEST_HEADER);
    char *written = memory(length);
    if (written == NULL)
        return fail("%s: out of memory", path);
    int failed = 0;
    if (fread(written, 1, (size_t)length, file) != (size_t)length)
        failed = read_failed(file, path, "header");
    else if (!take_header((text){written, written + length}, found))
        failed = fail("%s: got a header that cannot be read, expected the element type, the "
                      "order and the shape of one array", path);
    free(written);
    return failed;
}

static int check_header(const char *path, const element_type *type, const header *found)
{
    if (found->kind != type->kind || found->bytes != type->bytes)
        return fail("%s: got element type %c%lld, expected %c%d (%s)", path, found->kind,
                    (long long)found->bytes, type->kind, type->bytes, type->name);
    double bytes = type->bytes;
    for (int axis = 0; axis < found->rank; axis++)
        bytes *= found->shape[axis] > 0 ? (double)found->shape[axis] : 1.0;
    if (bytes > (double)LARGEST_ARRAY)
        return fail("%s: got an array of more than 2**47 bytes, expected one that fits in memory",
                    path);
    return 0;
}

/* The data. */

static void swap_bytes(uint8_t *data, int64_t count, int bytes)
{
    for (int64_t element = 0; element < count; element++, data += bytes)
        for (int i = 0; i < bytes / 2; i++) {
            uint8_t kept = data[i];
            data[i] = data[bytes - 1 - i];
            data[bytes - 1 - i] = kept;
        }
}

static void from_fortran(const uint8_t *source, uint8_t *target, const array *shape, int bytes)
{
    int64_t position[MOST_AXES] = {0};
    int64_t count = element_count(shape);
    for (int64_t element = 0; element < count; element++, target += bytes) {
        int64_t offset = 0;
        for (int axis = shape->rank - 1; axis >= 0; axis--)
            offset = offset * shape->shape[axis] + position[axis];
        memcpy(target, source + offset * bytes, (size_t)bytes);
        for (int axis = shape->rank - 1; axis >= 0; axis--) {
            if (++position[axis] < shape->shape[axis])
                break;
            position[axis] = 0;
        }
    }
}

static int read_data(FILE *file, const char *path, const element_type *type, const header *found,
                     array *result)
{
    int64_t count = element_count(result);
    int64_t bytes = count * type->bytes;
    uint8_t *data = memory(bytes);
    if (data == NULL)
        return fail("%s: out of memory for %lld bytes", path, (long long)bytes);
    result->data = data;
    size_t got = fread(data, 1, (size_t)bytes, file);
    if (got != (size_t)bytes) {
        if (ferror(file))
            return fail("%s: %s", path, strerror(errno));
        return fail("%s: got %lld bytes of data, expected %lld", path, (long long)got,
                    (long long)bytes);
    }
    if (fgetc(file) != EOF)
        return fail("%s: got more than %lld bytes of data, expected no more", path,
                    (long long)bytes);
    if (found->order == (is_little() ? '>' : '<')) {
        int parts = type->kind == 'c' ? 2 : 1; /* of a complex number, each by itself */
        swap_bytes(data, count * parts, type->bytes / parts);
    }
    if (type->kind == 'b')
        for (int64_t i = 0; i < count; i++)
            data[i] = data[i] != 0;
    if (found->fortran && found->rank > 1) {
        result->data = memory(bytes);
        if (result->data != NULL)
            from_fortran(data, result->data, result, type->bytes);
        free(data);
        if (result->data == NULL)
            return fail("%s: out of memory for %lld bytes", path, (long long)bytes);
    }
    return 0;
}

int read_array(const char *path, const element_type *type, shape_check *check, void *asker,
               array *result)
{
    header found = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return fail("%s: %s", path, strerror(errno));
    int failed = read_header(file, path, &found) || check_header(path, type, &found);
    if (!failed) {
        result->rank = found.rank;
        memcpy(result->shape, found.shape, sizeof result->shape);
        failed = check(asker, result) || read_data(file, path, type, &found, result);
    }
    fclose(file);
    return failed;
}

static size_t print_header(const element_type *type, const array *value, char *written)
{
    char order = type->bytes == 1 ? '|' : is_little() ? '<' : '>';
    char *at = written + sprintf(written, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (",
                                 order, type->kind, type->bytes);
    for (int axis = 0; axis < value->rank; axis++)
        at += sprintf(at, axis ? " %lld," : "%lld,", (long long)value->shape[axis]);
    if (value->rank > 1)
        at--; /* Python writes no comma behind the last of several */
    at += sprintf(at, "), }");
    while ((10 + (at - written) + 1) % 64 != 0)
        *at++ = ' ';
    *at++ = '\n';
    return (size_t)(at - written);
}

int write_array(const char *path, const element_type *type, const array *value)
{
    char written[SHAPE_TEXT + 256];
    size_t length = print_header(type, value, written);
    unsigned char start[10] = "\x93NUMPY\x01";
    start[8] = length & 255;
    start[9] = (unsigned char)(length >> 8);
    size_t bytes = (size_t)(element_count(value) * type->bytes);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return fail("%s: %s", path, strerror(errno));
    int whole = fwrite(start, 1, sizeof start, file) == sizeof start
        && fwrite(written, 1, length, file) == length
        && fwrite(value->data, 1, bytes, file) == bytes;
    int reason = errno;
    if (fclose(file) != 0 && whole) {
        whole = 0;
        reason = errno;
    }
    return whole ? 0 : fail("%s: %s", path, strerror(reason));
}
