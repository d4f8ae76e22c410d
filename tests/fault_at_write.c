/* A preload that makes a process fail at its n-th change to files below one folder.

   fault_arm(how, n, folder) chooses what happens at the n-th call, counted from 1, that would
   change a file or a folder below `folder`:

     FAULT_COUNT   nothing; fault_count() tells afterwards how many there were
     FAULT_BEFORE  the process is killed before the call
     FAULT_AFTER   the process is killed after it; a write has then written half
     an errno      the call fails with it

   With n below 0, it happens at the -n-th call and at every call after it.

   Build:  cc -shared -fPIC -o fault_at_write.so fault_at_write.c -ldl  */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FAULT_OFF = 0, FAULT_COUNT = -1, FAULT_BEFORE = -2, FAULT_AFTER = -3 };

static int how = FAULT_OFF, at, count;
static char below[PATH_MAX], last[2 * PATH_MAX];

void fault_arm(int what, int n, const char *folder)
{
    how = what;
    at = n;
    count = 0;
    snprintf(below, sizeof below, "%s", folder);
}

int fault_count(void) { return count; }
const char *fault_last(void) { return last; }

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* 1: let the call fail; 2: kill after it; 0: nothing. */
static int fault(const char *call, const char *path)
{
    if (how == FAULT_OFF || !path || strncmp(path, below, strlen(below)))
        return 0;
    count++;
    if (how != FAULT_COUNT && (at > 0 ? count != at : count < -at))
        return 0;
    snprintf(last, sizeof last, "%s %s", call, path);
    if (how == FAULT_COUNT)
        return 0;
    if (how == FAULT_BEFORE)
        die();
    if (how == FAULT_AFTER)
        return 2;
    errno = how;
    return 1;
}

static const char *of_descriptor(int descriptor, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return path;
}

static const char *absolute(int folder, const char *name, char *path)
{
    if (name[0] == '/')
        return name;
    char base[PATH_MAX] = "";
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base))
            return name;
    } else {
        of_descriptor(folder, base);
    }
    size_t length = strlen(base);
    snprintf(path, PATH_MAX, "%s", base);
    snprintf(path + length, PATH_MAX - length, "/%s", name);
    return path;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Define `result name parameters`, which changes the file at `path`. */
#define CHANGING(result, name, parameters, arguments, path)  \
    result name parameters                                   \
    {                                                        \
        char buffer[PATH_MAX];                               \
        int what = how ? fault(#name, path) : 0;             \
        (void)buffer;                                        \
        if (what == 1)                                       \
            return -1;                                       \
        result answer = NEXT(name) arguments;                \
        if (what == 2)                                       \
            die();                                           \
        return answer;                                       \
    }

#define AT(folder, name) absolute(folder, name, buffer)

CHANGING(int, fsync, (int d), (d), of_descriptor(d, buffer))
CHANGING(int, ftruncate, (int d, off_t n), (d, n), of_descriptor(d, buffer))
CHANGING(ssize_t, sendfile, (int d, int from, off_t *o, size_t n), (d, from, o, n),
         of_descriptor(d, buffer))
CHANGING(int, rename, (const char *from, const char *to), (from, to), AT(AT_FDCWD, to))
CHANGING(int, renameat, (int f, const char *from, int t, const char *to), (f, from, t, to),
         AT(t, to))
CHANGING(int, link, (const char *from, const char *to), (from, to), AT(AT_FDCWD, to))
CHANGING(int, linkat, (int f, const char *from, int t, const char *to, int flags),
         (f, from, t, to, flags), AT(t, to))
CHANGING(int, symlink, (const char *from, const char *to), (from, to), AT(AT_FDCWD, to))
CHANGING(int, unlink, (const char *name), (name), AT(AT_FDCWD, name))
CHANGING(int, unlinkat, (int f, const char *name, int flags), (f, name, flags), AT(f, name))
CHANGING(int, rmdir, (const char *name), (name), AT(AT_FDCWD, name))
CHANGING(int, mkdir, (const char *name, mode_t mode), (name, mode), AT(AT_FDCWD, name))
CHANGING(int, chmod, (const char *name, mode_t mode), (name, mode), AT(AT_FDCWD, name))
CHANGING(int, fchmod, (int d, mode_t mode), (d, mode), of_descriptor(d, buffer))
CHANGING(int, fchmodat, (int f, const char *name, mode_t mode, int flags),
         (f, name, mode, flags), AT(f, name))

ssize_t write(int descriptor, const void *bytes, size_t n)
{
    char buffer[PATH_MAX];
    int what = how ? fault("write", of_descriptor(descriptor, buffer)) : 0;
    if (what == 1)
        return -1;
    ssize_t answer = NEXT(write)(descriptor, bytes, what == 2 ? n / 2 : n);
    if (what == 2)
        die();
    return answer;
}

#define CREATES(flags) (((flags) & O_CREAT) || ((flags) & O_ACCMODE) != O_RDONLY)

/* Define one of the ways to open a file; reading changes nothing. */
#define OPENING(name, parameters, arguments, path)           \
    int name parameters                                      \
    {                                                        \
        mode_t mode = 0;                                     \
        if (flags & (O_CREAT | __O_TMPFILE)) {               \
            va_list rest;                                    \
            va_start(rest, flags);                           \
            mode = va_arg(rest, mode_t);                     \
            va_end(rest);                                    \
        }                                                    \
        char buffer[PATH_MAX];                               \
        int what = how && CREATES(flags) ? fault(#name, path) : 0; \
        if (what == 1)                                       \
            return -1;                                       \
        int answer = NEXT(name) arguments;                   \
        if (what == 2)                                       \
            die();                                           \
        return answer;                                       \
    }

OPENING(open, (const char *file, int flags, ...), (file, flags, mode), AT(AT_FDCWD, file))
OPENING(open64, (const char *file, int flags, ...), (file, flags, mode), AT(AT_FDCWD, file))
OPENING(openat, (int f, const char *file, int flags, ...), (f, file, flags, mode), AT(f, file))
OPENING(openat64, (int f, const char *file, int flags, ...), (f, file, flags, mode), AT(f, file))
