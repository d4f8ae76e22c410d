/* replay PROGRAM TRACE: runs a program and compares every spike and weight with a trace in plain
   text.  Exit code 0: all is equal; 1: it is not; 2: a file is not what it should be. */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include "program.h"

static int64_t wrap(int64_t x) { return ((x + 0x800000) & 0xffffff) - 0x800000; }
static int64_t decay(int64_t x, int d) { return (x < 0 ? -1 : 1) * (llabs(x) * (4096 - d) >> 12); }
static int clip(int w) { return w < -256 ? -256 : w > 254 ? 254 : w; }

static void read_matrices(void) {                   /* what each copy begins and has to end with */
    char when[9], name[140];
    int post, pre, used;
    for (next(""); !strncmp(line, "matrix ", 7); next("")) {
        if (sscanf(line, "matrix %8s %139s post %7d pre %7d", when, name, &post, &pre) != 4)
            fail("found '%.40s'; allowed: matrix WHEN NAME post N pre N", line);
        check("post", post, 1, 1 << 20), check("pre", pre, 1, MANY / post);
        int *given = table(post * pre, sizeof(int)), ends = strcmp(when, "initial"), found = 0;
        for (int i = 0; i < post * pre; i++) {
            static char *at;
            if (i % pre == 0) next(""), at = line;
            if (sscanf(at, "%9d%n", &given[i], &used) != 1) fail("%d weights of %d", i % pre, pre);
            check("weight", given[i], -256, 254), at += used;
        }
        for (Part *p = projection; p < projection + count[PROJECTIONS]; p++) {
            int *f = p->is, own = !strcmp(when, "copy"), turn = f[TRANSPOSE] && !own;
            if (f[MATRIX] < 0 || strcmp(name, own ? p->name : parameter[f[MATRIX]].name)) continue;
            if (found++ && ends) continue;          /* a parameter is what its first copy holds */
            same("post", post, group[f[turn ? FROM : TO]].is[SIZE]);
            same("pre", pre, group[f[turn ? TO : FROM]].is[SIZE]);
            int *w = *(ends ? &p->end : &p->weight) = table(post * pre, sizeof(int));
            for (int i = 0; i < post * pre; i++) {
                w[i] = given[turn ? i % post * pre + i / post : i];
                if (f[NEGATE] && !own) w[i] = clip(-w[i]);
            }
        }
        if (!found) fail("no weights are called %s", name);
        free(given);
    }
}

static int64_t *u, *v, *coming;                      /* coming: a row for each of the next steps */
static int n, all, *dead;                           /* neurons; neurons and lines of sources */
static char *fired, *given, *kept;                  /* here; in the trace; populations it has */
static long spikes, differ, weights, wrong;

static void update(Part *g, int i, int step) {      /* one step of neuron i of population g */
    int64_t *arrived = coming + step % slots * n + i;
    u[i] = wrap(decay(u[i], g->is[DU]) + *arrived), *arrived = 0;
    v[i] = dead[i] ? 0 : wrap(decay(v[i], g->is[DV]) + u[i] + g->is[BIAS]);
    fired[i] = !dead[i] && v[i] > g->is[THRESHOLD];
    dead[i] = fired[i] ? g->is[REFRACTORY] - 1 : dead[i] - (dead[i] > 0);
    if (fired[i]) v[i] = 0, spikes++;
    if (kept[i] && fired[i] != given[i] && !differ++)
        printf("step %d, population %s, neuron %d: %d in the trace, %d here\n", step, g->name,
               i - g->is[START], given[i], fired[i]);
}
static void send(Part *p, int i, int step) {        /* synapses of p from line i of its source */
    int pre = group[p->is[FROM]].is[SIZE], post = group[p->is[TO]].is[SIZE], first = 0;
    int at = group[p->is[TO]].is[START], change = dw[!reward[(step + period) % period]];
    int row = (step + 1 + p->is[DELAY]) % slots * n + at;
    if (p->is[MATRIX] < 0 && !p->is[CONNECT]) first = i, post = i + 1;
    for (int j = first; j < post; j++) {            /* a synapse is read before it learns */
        int *w = p->is[MATRIX] < 0 ? &p->is[MANTISSA] : &p->weight[j * pre + i];
        coming[row + j] += *w * (1LL << (6 + p->is[EXPONENT]));
        if (p->is[PLASTIC] && fired[at + j]) *w = clip(*w + change);
    }
}
int main(int argc, char **argv) {
    if (argc != 3) return fprintf(stderr, "usage: replay PROGRAM TRACE\n"), 2;
    read_program(argv[1]);
    int steps, samples, spiking, now, found, used, pops = count[POPULATIONS];
    n = count[NEURONS], all = n + count[LINES], coming = table(slots * n, 8);
    u = table(n, 8), v = table(n, 8), dead = table(n, sizeof(int)), kept = table(n, 1);
    fired = table(all, 1), given = table(all, 1);
    begin(argv[2], "sbp-trace 1"), next("program ");
    if (strcmp(line + 8, digest)) fail("found '%.20s...'; allowed: %.12s...", line, digest);
    next("about"), next("samples");
    found = sscanf(line, "samples %9d steps %9d", &samples, &steps);
    same("numbers", found, 2), same("steps", steps, samples * period);
    next("recorded"), strtok(line, " ");
    for (char *name; (name = strtok(NULL, " "));)
        for (Part *g = group; g < group + pops; g++)
            if (!strcmp(name, g->name)) memset(kept + g->is[START], 1, g->is[SIZE]);
    read_matrices();
    for (Part *p = projection; p < projection + count[PROJECTIONS]; p++)
        if (p->is[MATRIX] >= 0 && !p->weight) fail("the weights of %s are missing", p->name);

    for (Part *g = group + pops; g < group + pops + count[SOURCES]; g++)
        if (g->is[PHASE] < 0) memset(fired + g->is[START], 1, g->is[SIZE]);     /* the kick */
    for (int step = -1; step < steps; step++) {
        if (step >= 0) {
            found = sscanf(line, "step %9d spikes %9d:%n", &now, &spiking, &used);
            if (found != 2 || now != step)
                fail("found '%.40s'; allowed: step %d spikes N: N N ...", line, step);
            memset(given, 0, all), found = -1;
            for (char *at = line + used; *at; spiking--) {
                int spike = strtol(at, &at, 10);
                check("spike", spike, found + 1, all - 1), given[found = spike] = 1;
            }
            same("spikes that are missing", spiking, 0), next("");
            memcpy(fired + n, given + n, all - n);
            for (Part *g = group; g < group + pops; g++)
                for (int i = 0; i < g->is[SIZE]; i++) update(g, g->is[START] + i, step);
        }
        for (Part *p = projection; p < projection + count[PROJECTIONS]; p++)
            for (int i = 0; i < group[p->is[FROM]].is[SIZE]; i++)
                if (fired[group[p->is[FROM]].is[START] + i]) send(p, i, step);
    }
    if (strcmp(line, "end")) fail("found '%.40s'; allowed: end", line);
    for (Part *p = projection; p < projection + count[PROJECTIONS]; p++)
        for (int i = 0; p->end && i < group[p->is[FROM]].is[SIZE] * group[p->is[TO]].is[SIZE]; i++)
            weights++, wrong += p->end[i] != p->weight[i];
    printf("%d steps, %ld spikes, %ld differ; %ld final weights, %ld differ\n",
           steps, spikes, differ, weights, wrong);
    return differ || wrong;
}
