/* Preloaded into every process of a simulation: the wall clock, moved by the nanoseconds that a shared file holds.
   Clocks that only ever run forward (CLOCK_MONOTONIC and its like) stay as they are, and with them every timeout.
   A process started with an environment of its own, as the gateway is, is given what it needs to live by this clock. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096

static const volatile int64_t *moved;
static char preload[MOST], clock_file[MOST];

__attribute__((constructor)) static void open_clock(void) {
    const char *path = getenv("MOVED_CLOCK"), *library = getenv("LD_PRELOAD");
    if (path && library) {
        snprintf(preload, MOST, "LD_PRELOAD=%s", library);
        snprintf(clock_file, MOST, "MOVED_CLOCK=%s", path);
    }
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) moved = page;
}

int clock_gettime(clockid_t which, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, which, now);
    if (!failed && moved && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
        int64_t at = now->tv_sec * 1000000000LL + now->tv_nsec + *moved;
        now->tv_sec = at / 1000000000LL;
        now->tv_nsec = at % 1000000000LL;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec at;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &at)) return -1;
    now->tv_sec = at.tv_sec;
    now->tv_usec = at.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec at;
    if (clock_gettime(CLOCK_REALTIME, &at)) return -1;
    if (now) *now = at.tv_sec;
    return at.tv_sec;
}

/* May run between vfork and exec: it touches nothing but its own stack. */
int execve(const char *path, char *const arguments[], char *const environment[]) {
    int count = 0, known = !*preload;
    for (; environment && environment[count]; count++) known |= !strncmp(environment[count], "MOVED_CLOCK=", 12);
    char *more[count + 3];
    memcpy(more, environment, count * sizeof(char *));
    more[count] = preload;
    more[count + 1] = clock_file;
    more[count + 2] = NULL;
    return syscall(SYS_execve, path, arguments, known ? environment : more);
}
