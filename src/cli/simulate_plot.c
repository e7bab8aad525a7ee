/* SPDX-License-Identifier: MIT */
/* A column a policy: above, what was promised and what was got; below, how long commands waited. */
#include "cli/simulate.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

/* ---- gnuplot ----------------------------------------------------------------------- */

static int
spawn_gnuplot(int in, int out, pid_t *ret)
{
    static char name[] = "gnuplot";
    char *const argv[] = {name, NULL};
    posix_spawn_file_actions_t actions;
    int rc = -posix_spawn_file_actions_init(&actions);

    if (rc < 0)
        return rc;
    rc = -posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (rc == 0)
        rc = -posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (rc == 0)
        rc = -posix_spawnp(ret, name, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int
run_gnuplot(int in, int out, struct err *e)
{
    pid_t pid = 0;
    int status, rc = spawn_gnuplot(in, out, &pid);

    if (rc == -ENOENT)
        return err_set(e, rc, "no plot: gnuplot is not installed (gnuplot-nox)");
    if (rc < 0)
        return err_set(e, rc, "no plot: gnuplot: %s", strerror(-rc));
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return err_set(e, -errno, "no plot: gnuplot: %s", strerror(errno));
    }
    return status == 0 ? 0 : err_set(e, -EIO, "no plot: gnuplot failed");
}

/* For what is renamed to `path` once it is whole; -1: e says why not. */
static int
open_beside(const char *path, const char *tmp, struct err *e)
{
    const int fd = tmp ? open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;

    if (fd < 0)
        err_set(e, -errno, "--plot %s: %s", path, strerror(errno));
    return fd;
}

int
simulate_plot_check(const char *path, struct err *e)
{
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    _cleanup_free_ char *tmp = str_printf("%s.tmp", path);
    _cleanup_close_ int out = open_beside(path, tmp, e);

    if (!tmp || out < 0)
        return e->code;
    unlink(tmp);
    return run_gnuplot(null, null, e);
}

/* ---- the picture ------------------------------------------------------------------- */

/* One line a vGPU: number, promised, got, least, most, p50, p99 in ms. */
static void
write_data(FILE *out, const struct simulate *s, const struct simulate_outcome *o,
           unsigned block)
{
    fprintf(out, "$data%u << END\n", block);
    for (unsigned i = 0; i < s->n; i++) {
        const struct simulate_vgpu *v = &o->vgpus[i];
        const double promised = 100 * v->promised;

        fprintf(out, "%u ", i);
        fprintf(out, isnan(promised) ? "NaN" : "%.4f", promised);
        fprintf(out, " %.4f %.4f %.4f %.6f %.6f\n", 100 * v->got, 100 * v->got_least,
                100 * v->got_most, (double)sim_waits_quantile(&v->waits, 0.5) / 1e6,
                (double)sim_waits_quantile(&v->waits, 0.99) / 1e6);
    }
    fputs("END\n", out);
}

static void
write_names(FILE *out, const struct simulate *s)
{
    fputs("set xtics rotate by -40 (", out);
    for (unsigned i = 0; i < s->n; i++)
        fprintf(out, "%s'%s' %u", i ? ", " : "", s->guests[i].name, i);
    fputs(")\n", out);
}

static void
write_shares(FILE *out, const struct simulate *s, const struct simulate_outcome *o,
             unsigned n)
{
    fputs("set ylabel 'share of the GPU, %'\nset yrange [0:*]\nset offsets 0, 0, graph "
          "0.06, 0\n",
          out);
    for (unsigned i = 0; i < n; i++) {
        fprintf(out,
                "set title '%s'\n"
                "plot $data%u using 1:3:(0.7) with boxes fs solid 0.6 lc rgb '#1f6fb4' "
                "title 'got'",
                sched_policy_word(o[i].policy), i);
        if (s->gpus > 1)
            fprintf(out,
                    ", $data%u using 1:4:(0):($5-$4) with vectors nohead lw 2 lc rgb "
                    "'#222222' title "
                    "'least to most'",
                    i);
        if (!isnan(o[i].vgpus[0].promised))
            fprintf(out,
                    ", $data%u using 1:2:(0.4) with xerrorbars pt 0 lw 2 lc rgb "
                    "'#d1495b' title 'promised'",
                    i);
        fputs("\nset ylabel ''\n", out);
    }
}

/* The scale has no 0: what did not wait stands at the bottom, a microsecond. */
static void
write_waits(FILE *out, const struct simulate_outcome *o, unsigned n)
{
    fputs("set offsets 0, 0, 0, 0\nset logscale y\nset yrange [0.001:*]\nset ylabel "
          "'waiting, ms'\n"
          "set format y '%g'\natleast(x) = x > 0.001 ? x : 0.001\n",
          out);
    for (unsigned i = 0; i < n; i++)
        fprintf(
            out,
            "set title '%s'\n"
            "plot $data%u using 1:(atleast($6)) with points pt 7 ps 0.8 lc rgb '#1f6fb4' "
            "title 'median', "
            "$data%u using 1:(atleast($7)) with points pt 9 ps 0.9 lc rgb '#d1495b' "
            "title '99 %%'\nset ylabel ''\n",
            sched_policy_word(o[i].policy), i, i);
}

static void
write_script(FILE *out, const struct simulate *s, const struct simulate_outcome *o,
             unsigned n)
{
    fprintf(out,
            "set terminal svg size %u,640 font 'sans,12' background rgb 'white'\n"
            "set encoding utf8\n",
            120 + n * (310 + 8 * s->n));
    for (unsigned i = 0; i < n; i++)
        write_data(out, s, &o[i], i);
    fprintf(out,
            "set multiplot layout 2,%u title 'Simulated: %u vGPUs on %s%u GPU%s'\n"
            "set xrange [-0.7:%u-0.3]\nset grid y lc rgb '#e4e4e4' lt 1\n"
            "set tics nomirror out\nset key outside top center horizontal samplen 1 font "
            "',10'\n",
            n, s->n, s->gpus > 1 ? "each of " : "", s->gpus, s->gpus > 1 ? "s" : "",
            s->n);
    write_names(out, s);
    write_shares(out, s, o, n);
    write_waits(out, o, n);
    fputs("unset multiplot\n", out);
}

int
simulate_plot(const struct simulate *s, const struct simulate_outcome *o, unsigned n,
              const char *path, struct err *e)
{
    _cleanup_fclose_ FILE *script = tmpfile();
    _cleanup_free_ char *tmp = str_printf("%s.tmp", path);
    _cleanup_close_ int out = -1;
    int rc;

    if (!script)
        return err_set(e, -errno, "no plot: a temporary file: %s", strerror(errno));
    out = open_beside(path, tmp, e);
    if (!tmp || out < 0)
        return e->code;
    write_script(script, s, o, n);
    rewind(script);
    rc = run_gnuplot(fileno(script), out, e);
    if (rc == 0 && rename(tmp, path) < 0)
        rc = err_set(e, -errno, "--plot %s: %s", path, strerror(errno));
    if (rc < 0)
        unlink(tmp);
    return rc;
}
