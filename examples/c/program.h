/* Reads an sbp program file (`sbp program write`).  A bad file ends in one line and exit code 2. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 99999999
typedef struct { const char *key; int low, high; } Field;       /* what lines hold, and its range */
enum { POPULATIONS, SOURCES, PARAMETERS, PROJECTIONS, NEURONS, LINES };
static const Field COUNT[] = {{"populations", 1, MANY}, {"sources", 0, MANY},
    {"parameters", 0, MANY}, {"projections", 0, MANY}, {"neurons", 1, MANY}, {"lines", 0, MANY}};
enum { START, SIZE, BIAS, THRESHOLD, REFRACTORY, DU, DV, PHASE = BIAS };
static const Field POPULATION[] = {{"start", 0, MANY}, {"size", 1, 1 << 20},
    {"bias", -524288, 524160}, {"threshold", 0, 131071 << 6}, {"refractory", 1, 63},
    {"du", 0, 4096}, {"dv", 0, 4096}};
static const Field SOURCE[] = {{"start", 0, MANY}, {"size", 1, 1 << 20}, {"phase", -1, 4095}};
static const Field PARAMETER[] = {{"post", 1, 1 << 20}, {"pre", 1, 1 << 20}};
enum { FROM, TO, CONNECT, DELAY, MANTISSA, EXPONENT, MATRIX, TRANSPOSE, NEGATE, PLASTIC };
static const Field PROJECTION[] = {{"source", 0, MANY}, {"target", 0, MANY}, {"connect", 0, 1},
    {"delay", 0, 62}, {"mantissa", -256, 255}, {"exponent", -6, 7}, {"matrix", -1, MANY},
    {"transpose", 0, 1}, {"negate", 0, 1}, {"plastic", 0, 1}};
static const Field REWARD[] = {{"reward", 0, 1}};
static const Field RULE[] = {{"reward", -254, 254}, {"otherwise", -254, 254}};

typedef struct { char name[140]; int is[10], *weight, *end; } Part;
static Part *group, *parameter, *projection;                    /* group: populations, sources */
static int period, slots = 1, count[6], dw[2], *reward;         /* reward: one for each phase */
static char digest[140];

static const char *path; static FILE *in;                       /* the file, and where in it */
static char *line; static size_t room; static int number;

#define fail(...) (fprintf(stderr, "%s, line %d: ", path, number), fprintf(stderr, __VA_ARGS__), \
                   fputc('\n', stderr), exit(2))
#define same(key, value, must) check(key, value, must, must)
static void check(const char *key, long value, long low, long high) {
    if (value < low || value > high) fail("%s is %ld; allowed: %ld to %ld", key, value, low, high);
}
static void *table(int n, size_t size) {
    void *made = calloc(n + 1, size);
    return made ? made : (fail("no memory for %d times %zu bytes", n, size), made);
}
static void next(const char *word) {                            /* a line that begins with word */
    do {
        if (getline(&line, &room, in) < 0) fail("the file ends; allowed: %s", word);
        line[strcspn(line, "\r\n")] = 0, number++;
    } while (*line == '#');
    if (strncmp(line, word, strlen(word))) fail("found '%.40s'; allowed: %s", line, word);
}
static void begin(const char *file, const char *first) {
    path = file, number = 0;
    if (!(in = fopen(path, "r"))) perror(path), exit(2);
    next(first);
    if (strlen(line) != strlen(first)) fail("found '%.40s'; allowed: %s", line, first);
}
static void take(const char *word, char *name, const Field *field, int n, int *value) {
    char *end, *text;
    next(word), strtok(line, " ");
    if (name && (text = strtok(NULL, " "))) strncpy(name, text, 139);
    for (; n; n--, field++, value++) {
        char *key = strtok(NULL, " ");
        if (!(text = strtok(NULL, " ")) || strcmp(key, field->key))
            fail("a line of a %s lacks its %s", word, field->key);
        check(key, *value = strtol(text, &end, 10), field->low, field->high);
        if (*end) fail("%s is '%s'; allowed: a whole number", key, text);
    }
}
static void read_program(const char *file) {
    char text[140] = "";
    begin(file, "sbp-program 1"), next("circuit"), next("sizes"), next("labels");
    take("period", text, NULL, 0, NULL), check("period", period = atoi(text), 1, 4096);
    take("rule", NULL, RULE, 2, dw), take("count", NULL, COUNT, 6, count);
    int pops = count[POPULATIONS], groups = pops + count[SOURCES], at = 0;
    group = table(groups, sizeof(Part)), parameter = table(count[PARAMETERS], sizeof(Part));
    projection = table(count[PROJECTIONS], sizeof(Part)), reward = table(period, sizeof(int));
    for (int i = 0; i < groups; at += group[i++].is[SIZE]) {
        if (i < pops) take("population", group[i].name, POPULATION, 7, group[i].is);
        else take("source", group[i].name, SOURCE, 3, group[i].is);
        same("start", group[i].is[START], at);
        if (i >= pops) check("phase", group[i].is[PHASE], -1, period - 1);
    }
    int neurons = pops < groups ? group[pops].is[START] : at;
    same("neurons", count[NEURONS], neurons), same("lines", count[LINES], at - neurons);
    for (int i = 0; i < count[PARAMETERS]; i++)
        take("parameter", parameter[i].name, PARAMETER, 2, parameter[i].is);
    for (Part *p = projection; p < projection + count[PROJECTIONS]; p++) {
        take("projection", p->name, PROJECTION, 10, p->is);
        int m = p->is[MATRIX], t = p->is[TRANSPOSE];
        check("matrix", m, p->is[PLASTIC] ? 0 : -1, count[PARAMETERS] - 1);
        check("target", p->is[TO], 0, pops - 1);
        check("source", p->is[FROM], 0, (p->is[PLASTIC] ? pops : groups) - 1);
        int pre = group[p->is[FROM]].is[SIZE], post = group[p->is[TO]].is[SIZE];
        if (m < 0 && !p->is[CONNECT]) same("one-to-one target size", post, pre);
        if (m >= 0) same("post", parameter[m].is[t], post), same("pre", parameter[m].is[!t], pre);
        slots = p->is[DELAY] < slots ? slots : p->is[DELAY] + 1;
    }
    for (int i = 0; i < period; i++)
        take("phase", text, REWARD, 1, &reward[i]), same("phase", atoi(text), i);
    take("digest", digest, NULL, 0, NULL), next("end"), fclose(in);
}
