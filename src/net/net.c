#include "net/net.h"
#include "net/loop.h"
#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct net_limits with_defaults(struct net_limits limits)
{
    static const struct net_limits usual = {.connections_max = NET_CONNECTIONS_MAX,
                                            .in_max = NET_IN_MAX,
                                            .out_mark = NET_OUT_MARK,
                                            .out_max = NET_OUT_MAX,
                                            .handshake_ms = NET_HANDSHAKE_MS,
                                            .close_ms = NET_CLOSE_MS};
    if (limits.connections_max == 0 || limits.connections_max > NET_CONNECTIONS_MAX)
        limits.connections_max = usual.connections_max;
    if (limits.in_max == 0)
        limits.in_max = usual.in_max;
    if (limits.out_mark == 0)
        limits.out_mark = usual.out_mark;
    if (limits.out_max == 0)
        limits.out_max = usual.out_max;
    if (limits.handshake_ms == 0)
        limits.handshake_ms = usual.handshake_ms;
    if (limits.close_ms == 0)
        limits.close_ms = usual.close_ms;
    return limits;
}

static unsigned thread_count(unsigned wanted)
{
    if (wanted == 0)
        wanted = uv_available_parallelism();
    return wanted < NET_THREADS_MAX ? wanted : NET_THREADS_MAX;
}

struct net *net_create(const struct net_config *config)
{
    assert(config->tls);
    assert(config->clock);
    struct net *net = xcalloc(1, sizeof *net);
    net->tls = config->tls;
    net->clock = config->clock;
    net->limits = with_defaults(config->limits);
    net->loop_count = thread_count(config->thread_count);
    net->loops = xcalloc(net->loop_count, sizeof *net->loops);
    for (unsigned i = 0; i < net->loop_count; i++)
        loop_init(&net->loops[i], net, i);
    return net;
}

/* Signals are the main thread's affair, but for those that tell of a bug in this very thread. A
 * blocked SIGPIPE never kills us: OpenSSL uses plain write(2) on sockets that the peer may have
 * closed. */
static int start_thread(struct net_loop *loop)
{
    static const int ours[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigset_t others, before;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        sigdelset(&others, ours[i]);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    int failed = pthread_create(&loop->thread, NULL, loop_run, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed) {
        char name[16]; /* what Linux keeps */
        snprintf(name, sizeof name, "net-%u", loop->index);
        pthread_setname_np(loop->thread, name);
    }
    return failed;
}

static void stop_threads(struct net *net, unsigned count, int64_t drain_ms)
{
    for (unsigned i = 0; i < count; i++)
        loop_stop(&net->loops[i], drain_ms);
    for (unsigned i = 0; i < count; i++)
        pthread_join(net->loops[i].thread, NULL);
    net->stopped = true;
}

enum err net_start(struct net *net, struct why *why)
{
    assert(!net->started);
    for (unsigned i = 0; i < net->loop_count; i++) {
        int failed = start_thread(&net->loops[i]);
        if (failed) {
            stop_threads(net, i, 0);
            return err_fail(ERR_OUTSIDE, why, "cannot start a network thread: %s",
                            strerror(failed));
        }
    }
    net->started = true;
    return ERR_OK;
}

void net_stop(struct net *net, int64_t drain_ms)
{
    if (net->started && !net->stopped)
        stop_threads(net, net->loop_count, drain_ms);
}

/* A late letter may write another one to any loop, so go round until all is quiet. */
static void deliver_late_mail(struct net *net)
{
    for (unsigned i = 0; i < net->loop_count; i++)
        net->loops[i].ended = true;
    bool any;
    do {
        any = false;
        for (unsigned i = 0; i < net->loop_count; i++)
            any |= loop_deliver(&net->loops[i]);
    } while (any);
}

void net_destroy(struct net *net)
{
    if (!net)
        return;
    assert(!net->started || net->stopped);
    deliver_late_mail(net);
    for (unsigned i = 0; i < net->loop_count; i++)
        loop_done(&net->loops[i]);
    free(net->loops);
    free(net);
}

static uint64_t count_of(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

struct net_stats net_stats(const struct net *net)
{
    struct net_stats sum = {0};
    for (unsigned i = 0; i < net->loop_count; i++) {
        const struct loop_counters *one = &net->loops[i].counters;
        sum.accepted += count_of(&one->accepted);
        sum.opened += count_of(&one->opened);
        sum.handshakes_failed += count_of(&one->handshakes_failed);
        sum.accept_pauses += count_of(&one->accept_pauses);
        sum.aborted_in += count_of(&one->aborted_in);
        sum.aborted_out += count_of(&one->aborted_out);
        sum.connected += count_of(&one->connected);
    }
    return sum;
}
