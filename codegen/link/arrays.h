/* NumPy's .npy files, read and written without NumPy. */
#ifndef ARRAYS_H
#define ARRAYS_H

#include <stdint.h>

enum { MOST_AXES = 64 };

typedef struct {
    const char *name; /* as graphc writes it: f32 */
    char kind;        /* as NumPy writes it: b i u f, or V for bfloat16 */
    int bytes;
} element_type;

typedef struct {
    int rank;
    int64_t shape[MOST_AXES];
    void *data; /* in C order, aligned, from posix_memalign */
} array;

/* Asked after the header is read and before the data is: 0 where the shape is the expected
 * one, or it has printed why not. */
typedef int shape_check(void *asker, const array *got);

/* Each of these gives 0, or prints one line that begins with "error:" and gives 1. */
int read_array(const char *path, const element_type *type, shape_check *check, void *asker,
               array *result);
int write_array(const char *path, const element_type *type, const array *value);
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Memory for `count` bytes, zeroed where it is small; NULL when there is none. */
void *memory(int64_t bytes);

/* The number of elements. */
int64_t element_count(const array *value);

/* A shape as text, `[2, 3]`; `text` has room for SHAPE_TEXT characters. */
enum { SHAPE_TEXT = MOST_AXES * 22 + 3 };
const char *shape_text(int rank, const int64_t *shape, char *text);

#endif
