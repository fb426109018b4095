/* What the printed part of an executable tells the part that is always the same. */
#ifndef MAIN_H
#define MAIN_H

#include "arrays.h"

/* A size in a table: 0 or more is a number, -1 - I is named size I, COMPUTED is asked for. */
enum { COMPUTED = INT32_MIN };

typedef struct {
    const char *option; /* without the two dashes */
    const char *shown;  /* the type as a reader knows it: f32[batch,4] */
    element_type type;
    int rank;
    const int64_t *shape;
    const char *file_name; /* of an output */
    int lies_in;           /* of an output: the input whose memory it takes, or -1 */
} value;

extern const char HELP[];
extern const char *const SIZE_NAMES[];
extern const int SIZES;
extern const value PARAMETERS[];
extern const int PARAMETER_COUNT;
extern const value OUTPUTS[];
extern const int OUTPUT_COUNT;

/* Axis `axis` of a parameter, or of an output, whose size is COMPUTED. */
int64_t parameter_size(int parameter, int axis, const int64_t *sizes);
int64_t output_size(int output, int axis, const int64_t *sizes);

/* Run the program, with the default number of threads for 0; NULL, or what is wrong. */
const char *run_program(int threads, void *const *inputs, void *const *outputs,
                        const int64_t *sizes);

#endif
