/* An executable's command line: arrays in from .npy files, one run, arrays out.
 * Exit codes: 0 done, 1 a file or the program failed, 2 the command line is wrong. */
#define _POSIX_C_SOURCE 200809L
#include "main.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, USAGE = 2, MOST_THREADS = 1024 };

typedef struct {
    const char **given; /* per parameter, what stood behind its option */
    array *inputs;
    array *outputs;
    int64_t *sizes; /* -1 until an input tells */
    const char *out;
    int threads;
    int asked; /* the parameter whose shape is being checked */
} state;

static int usage(const char *what, const char *option, const char *expected)
{
    fail("%s %s, expected %s; try --help", what, option, expected);
    return USAGE;
}

/* What stands behind `--NAME VALUE` or `--NAME=VALUE`, NULL where this is another option. */
static const char *option_value(int *at, int count, char **words, const char *name, int *missing)
{
    const char *word = words[*at];
    size_t length = strlen(name);
    if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, name, length) != 0)
        return NULL;
    if (word[2 + length] == '=')
        return word + 3 + length;
    if (word[2 + length] != '\0')
        return NULL;
    *missing = *at + 1 == count;
    return *missing ? NULL : words[++*at];
}

static int take_threads(const char *given, state *run)
{
    char *end;
    long number = strtol(given, &end, 10);
    if (end == given || *end != '\0' || number < 1 || number > MOST_THREADS)
        return usage("got --threads", given, "a whole number from 1 to 1024");
    run->threads = (int)number;
    return DONE;
}

static int take_option(int *at, int count, char **words, state *run)
{
    const char *word = words[*at];
    const char *found;
    int missing = 0;
    for (int i = 0; i < PARAMETER_COUNT; i++) {
        found = option_value(at, count, words, PARAMETERS[i].option, &missing);
        if (found != NULL && run->given[i] != NULL)
            return usage("got twice:", word, "it once");
        if (found != NULL) {
            run->given[i] = found;
            return DONE;
        }
        if (missing)
            return usage("got nothing behind", word, "FILE.npy");
    }
    found = option_value(at, count, words, "out", &missing);
    if (found != NULL) {
        run->out = found;
        return DONE;
    }
    if (!missing) {
        found = option_value(at, count, words, "threads", &missing);
        if (found != NULL)
            return take_threads(found, run);
    }
    if (missing)
        return usage("got nothing behind", word, "a value");
    return usage("got", word, "one of the program's options");
}

static int take_options(int count, char **words, state *run)
{
    for (int at = 1; at < count; at++) {
        int verdict = take_option(&at, count, words, run);
        if (verdict != DONE)
            return verdict;
    }
    for (int i = 0; i < PARAMETER_COUNT; i++)
        if (run->given[i] == NULL) {
            fail("missing --%s, expected a .npy file with %s; try --help", PARAMETERS[i].option,
                 PARAMETERS[i].shown);
            return USAGE;
        }
    return DONE;
}

static int wrong_shape(const value *parameter, const char *path, const array *got)
{
    char shown[SHAPE_TEXT];
    return fail("--%s: %s: got shape %s, expected %s", parameter->option, path,
                shape_text(got->rank, got->shape, shown), parameter->shown);
}

/* Check what is known of a shape, and learn the sizes that it tells. */
static int check_shape(void *asker, const array *got)
{
    state *run = asker;
    const value *parameter = &PARAMETERS[run->asked];
    const char *path = run->given[run->asked];
    if (got->rank != parameter->rank)
        return wrong_shape(parameter, path, got);
    for (int axis = 0; axis < got->rank; axis++) {
        int64_t expected = parameter->shape[axis];
        if (expected >= 0 && got->shape[axis] != expected)
            return wrong_shape(parameter, path, got);
        if (expected >= 0 || expected == COMPUTED)
            continue;
        int64_t *known = &run->sizes[-1 - expected];
        if (*known >= 0 && *known != got->shape[axis])
            return fail("--%s: %s: got %s = %" PRId64 ", expected %" PRId64 " as before",
                        parameter->option, path, SIZE_NAMES[-1 - expected], got->shape[axis],
                        *known);
        *known = got->shape[axis];
    }
    return 0;
}

/* Sizes such as 2*batch, which can be checked when all inputs are there. */
static int check_computed(const state *run)
{
    for (int i = 0; i < PARAMETER_COUNT; i++)
        for (int axis = 0; axis < PARAMETERS[i].rank; axis++)
            if (PARAMETERS[i].shape[axis] == COMPUTED
                && parameter_size(i, axis, run->sizes) != run->inputs[i].shape[axis])
                return wrong_shape(&PARAMETERS[i], run->given[i], &run->inputs[i]);
    return 0;
}

/* A number in a file's place; 0 where the text is none that the type holds. */
static int take_scalar(const char *given, const element_type *type, array *result)
{
    char *end = NULL;
    errno = 0;
    result->rank = 0;
    result->data = memory(8);
    if (result->data == NULL || strchr("fiu", type->kind) == NULL || *given == '\0')
        return 0;
    if (type->kind == 'f') { /* rounded once: strtod would round twice on the way to a float */
        if (type->bytes == 4)
            *(float *)result->data = strtof(given, &end);
        else if (type->bytes == 8)
            *(double *)result->data = strtod(given, &end);
        if (errno == ERANGE && fabs(strtod(given, NULL)) < 1.0)
            errno = 0; /* a very small number is still one */
    } else if (type->kind == 'i') {
        int64_t number = strtoll(given, &end, 10);
        int64_t most = INT64_MAX >> (64 - 8 * type->bytes);
        if (number > most || number < -most - 1)
            return 0;
        for (int i = 0; i < type->bytes; i++) /* every target stores the low byte first */
            ((uint8_t *)result->data)[i] = (uint8_t)((uint64_t)number >> 8 * i);
    } else if (type->kind == 'u' && *given >= '0' && *given <= '9') {
        uint64_t number = strtoull(given, &end, 10);
        if (number > UINT64_MAX >> (64 - 8 * type->bytes))
            return 0;
        for (int i = 0; i < type->bytes; i++)
            ((uint8_t *)result->data)[i] = (uint8_t)(number >> 8 * i);
    }
    return end != NULL && end != given && *end == '\0' && errno == 0;
}

static int read_inputs(state *run)
{
    for (int i = 0; i < PARAMETER_COUNT; i++) {
        array *result = &run->inputs[i];
        if (PARAMETERS[i].rank == 0 && take_scalar(run->given[i], &PARAMETERS[i].type, result))
            continue;
        free(result->data);
        result->data = NULL;
        run->asked = i;
        if (PARAMETERS[i].rank == 0 && access(run->given[i], F_OK) != 0)
            return fail("--%s: got %s, expected a .npy file or a number that %s holds",
                        PARAMETERS[i].option, run->given[i], PARAMETERS[i].type.name);
        if (read_array(run->given[i], &PARAMETERS[i].type, check_shape, run, result))
            return FAILED;
    }
    return check_computed(run) ? FAILED : DONE;
}

static int make_outputs(state *run)
{
    for (int k = 0; k < OUTPUT_COUNT; k++) {
        const value *output = &OUTPUTS[k];
        array *made = &run->outputs[k];
        double bytes = output->type.bytes;
        made->rank = output->rank;
        for (int axis = 0; axis < output->rank; axis++) {
            int64_t size = output->shape[axis];
            if (size == COMPUTED)
                size = output_size(k, axis, run->sizes);
            else if (size < 0)
                size = run->sizes[-1 - size];
            made->shape[axis] = size;
            bytes *= size < 0 ? 1e30 : (double)size;
        }
        if (output->lies_in >= 0)
            made->data = run->inputs[output->lies_in].data;
        else if (bytes <= 1e14)
            made->data = memory(element_count(made) * output->type.bytes);
        if (made->data == NULL)
            return fail("out of memory for output %s", output->option);
    }
    return DONE;
}

static double half(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    int fraction = bits & 1023;
    double size = exponent == 31 ? (fraction ? NAN : INFINITY)
        : exponent == 0          ? ldexp(fraction, -24)
                                 : ldexp(fraction + 1024, exponent - 25);
    return bits >> 15 ? -size : size;
}

static void print_scalar(const value *output, const void *data)
{
    const element_type *type = &output->type;
    union { uint32_t bits; float value; } wide;
    printf("%s: ", output->option);
    if (type->kind == 'V') {
        wide.bits = (uint32_t)*(const uint16_t *)data << 16;
        printf("%.9g\n", wide.value);
    } else if (type->kind == 'f') {
        if (type->bytes == 2)
            printf("%.9g\n", half(*(const uint16_t *)data));
        else if (type->bytes == 4)
            printf("%.9g\n", *(const float *)data);
        else
            printf("%.17g\n", *(const double *)data);
    } else if (type->kind == 'c') {
        if (type->bytes == 8)
            printf("%.9g%+.9gj\n", ((const float *)data)[0], ((const float *)data)[1]);
        else
            printf("%.17g%+.17gj\n", ((const double *)data)[0], ((const double *)data)[1]);
    } else if (type->kind == 'b') {
        puts(*(const uint8_t *)data ? "true" : "false");
    } else if (type->kind == 'i') {
        printf("%" PRId64 "\n",
               type->bytes == 1       ? *(const int8_t *)data
                   : type->bytes == 2 ? *(const int16_t *)data
                   : type->bytes == 4 ? *(const int32_t *)data
                                      : *(const int64_t *)data);
    } else {
        printf("%" PRIu64 "\n",
               type->bytes == 1       ? *(const uint8_t *)data
                   : type->bytes == 2 ? *(const uint16_t *)data
                   : type->bytes == 4 ? *(const uint32_t *)data
                                      : *(const uint64_t *)data);
    }
}

static void print_outputs(const state *run)
{
    char shown[SHAPE_TEXT];
    for (int k = 0; k < OUTPUT_COUNT; k++) {
        const array *made = &run->outputs[k];
        if (made->rank == 0)
            print_scalar(&OUTPUTS[k], made->data);
        else
            printf("%s: %s%s%s\n", OUTPUTS[k].option, OUTPUTS[k].type.name,
                   shape_text(made->rank, made->shape, shown),
                   run->out ? "" : ", not written: no --out");
    }
}

static int write_outputs(const state *run)
{
    if (OUTPUT_COUNT == 1)
        return write_array(run->out, &OUTPUTS[0].type, &run->outputs[0]);
    if (mkdir(run->out, 0777) != 0 && errno != EEXIST)
        return fail("--out: %s: %s", run->out, strerror(errno));
    for (int k = 0; k < OUTPUT_COUNT; k++) {
        size_t room = strlen(run->out) + strlen(OUTPUTS[k].file_name) + 2;
        char *path = memory((int64_t)room);
        if (path == NULL)
            return fail("out of memory");
        snprintf(path, room, "%s/%s", run->out, OUTPUTS[k].file_name);
        int failed = write_array(path, &OUTPUTS[k].type, &run->outputs[k]);
        free(path);
        if (failed)
            return FAILED;
    }
    return DONE;
}

static int call_program(const state *run)
{
    void **inputs = calloc((size_t)PARAMETER_COUNT + 1, sizeof *inputs);
    void **outputs = calloc((size_t)OUTPUT_COUNT + 1, sizeof *outputs);
    int verdict = FAILED;
    if (inputs != NULL && outputs != NULL) {
        for (int i = 0; i < PARAMETER_COUNT; i++)
            inputs[i] = run->inputs[i].data;
        for (int k = 0; k < OUTPUT_COUNT; k++)
            outputs[k] = run->outputs[k].data;
        const char *wrong = run_program(run->threads, inputs, outputs, run->sizes);
        verdict = wrong ? fail("%s", wrong) : DONE;
    } else {
        fail("out of memory");
    }
    free(inputs);
    free(outputs);
    return verdict;
}

static int work(int count, char **words, state *run)
{
    int verdict = take_options(count, words, run);
    if (verdict == DONE)
        verdict = read_inputs(run);
    if (verdict == DONE)
        verdict = make_outputs(run);
    if (verdict == DONE)
        verdict = call_program(run);
    if (verdict == DONE) {
        print_outputs(run);
        if (run->out != NULL)
            verdict = write_outputs(run);
    }
    if (fflush(stdout) != 0 && verdict == DONE)
        verdict = fail("standard output: %s", strerror(errno));
    return verdict;
}

static int help(const char *program)
{
    printf("usage: %s [options]\n\n%s", program, HELP);
    return fflush(stdout) == 0 ? DONE : FAILED;
}

int main(int count, char **words)
{
    for (int at = 1; at < count; at++)
        if (strcmp(words[at], "--help") == 0 || strcmp(words[at], "-h") == 0)
            return help(words[0]);
    state run = {NULL, NULL, NULL, NULL, NULL, 0, 0};
    run.given = calloc((size_t)PARAMETER_COUNT + 1, sizeof *run.given);
    run.inputs = calloc((size_t)PARAMETER_COUNT + 1, sizeof *run.inputs);
    run.outputs = calloc((size_t)OUTPUT_COUNT + 1, sizeof *run.outputs);
    run.sizes = calloc((size_t)SIZES + 1, sizeof *run.sizes);
    if (!run.given || !run.inputs || !run.outputs || !run.sizes)
        return fail("out of memory");
    for (int i = 0; i < SIZES; i++)
        run.sizes[i] = -1;
    int verdict = work(count, words, &run);
    for (int k = 0; k < OUTPUT_COUNT; k++)
        if (OUTPUTS[k].lies_in < 0)
            free(run.outputs[k].data);
    for (int i = 0; i < PARAMETER_COUNT; i++)
        free(run.inputs[i].data);
    free(run.given);
    free(run.inputs);
    free(run.outputs);
    free(run.sizes);
    return verdict;
}
