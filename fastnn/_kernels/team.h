/* A team of OpenMP threads that shares one call: phases of items, handed out one by one.
 *
 * team_call() opens one parallel region. Its first thread, the leader, runs the call's own text and hands
 * out each phase with team_run(); the others take items wherever they find some. A phase is over when
 * its items are done, not when every thread has arrived: a thread that the system has put to sleep
 * delays nobody unless it holds an item, and a phase costs a few hundred nanoseconds instead of the
 * region's microseconds. Which thread computes an item changes nothing about the item.
 *
 * The ticket packs (phase, first item left, end of the items left), so that an item is taken by one
 * exchange that fails if the phase has gone by. Workers take from both ends, even ones from the front and
 * odd ones from the back: in phases that go over the same data again and again, a thread mostly meets the
 * part that its own cache holds.
 */
#ifndef FASTNN_TEAM_H
#define FASTNN_TEAM_H

#include <omp.h>
#include <sched.h>
#include <stdint.h>

typedef struct fnn_team fnn_team;
typedef void (*team_lead)(fnn_team *team, void *context);
typedef void (*team_job)(void *context, int64_t item, int64_t worker);

#define TEAM_BITS 20 /* items in a phase; longer phases are handed out in runs */
#define TEAM_MASK (((uint64_t)1 << TEAM_BITS) - 1)
#define TEAM_SPINS 2000 /* looks before a waiting thread offers its core to others */

struct fnn_team {
    uint64_t ticket __attribute__((aligned(64)));
    int64_t done __attribute__((aligned(64)));
    team_job job __attribute__((aligned(64)));
    void *context;
    int64_t n_items, run;
    int64_t n_workers;
    int over;
};

static inline void team_pause(int *spins) {
    if (++*spins < TEAM_SPINS) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
    } else {
        *spins = 0;
        sched_yield();
    }
}

/* Takes and does one run of items; 0 if there is none to take. */
static inline int team_take(fnn_team *team, int64_t worker) {
    uint64_t ticket = __atomic_load_n(&team->ticket, __ATOMIC_ACQUIRE);
    uint64_t front = ticket >> TEAM_BITS & TEAM_MASK, back = ticket & TEAM_MASK;
    if (front >= back) return 0;
    uint64_t taken = worker % 2 ? ticket - 1 : ticket + ((uint64_t)1 << TEAM_BITS);
    if (!__atomic_compare_exchange_n(&team->ticket, &ticket, taken, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return 1;
    int64_t first = (int64_t)(worker % 2 ? back - 1 : front) * team->run, last = first + team->run;
    if (last > team->n_items) last = team->n_items;
    for (int64_t item = first; item < last; item++) team->job(team->context, item, worker);
    __atomic_fetch_add(&team->done, 1, __ATOMIC_ACQ_REL);
    return 1;
}

/* The leader: all items of a phase, with the others' help, and no return before the last is done. */
static inline void team_run(fnn_team *team, team_job job, void *context, int64_t n_items) {
    if (team->n_workers == 1 || n_items <= 1) {
        for (int64_t item = 0; item < n_items; item++) job(context, item, 0);
        return;
    }
    int64_t run = n_items / (int64_t)TEAM_MASK + 1, n_runs = (n_items + run - 1) / run;
    uint64_t phase = (team->ticket >> 2 * TEAM_BITS) + 1;
    int spins = 0;
    team->job = job;
    team->context = context;
    team->n_items = n_items;
    team->run = run;
    __atomic_store_n(&team->done, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&team->ticket, phase << 2 * TEAM_BITS | (uint64_t)n_runs, __ATOMIC_RELEASE);
    while (team_take(team, 0)) {}
    while (__atomic_load_n(&team->done, __ATOMIC_ACQUIRE) < n_runs) team_pause(&spins);
}

/* The others: items until the leader closes the team. */
static inline void team_work(fnn_team *team, int64_t worker) {
    int spins = 0;
    while (!__atomic_load_n(&team->over, __ATOMIC_ACQUIRE))
        if (team_take(team, worker))
            spins = 0;
        else
            team_pause(&spins);
}

/* A call: lead(team, context) on this thread, with n_workers - 1 others (or fewer) at its disposal.
 * What the leader returns through is its context; phases may be of any number and size. */
static inline void team_call(int64_t n_workers, team_lead lead, void *context) {
    fnn_team team = {.n_workers = n_workers};
#pragma omp parallel num_threads((int)n_workers) if (n_workers > 1)
    {
        int worker = omp_get_thread_num();
        if (worker == 0) {
            lead(&team, context);
            __atomic_store_n(&team.over, 1, __ATOMIC_RELEASE);
        } else {
            team_work(&team, worker);
        }
    }
}

#endif
