#include "base/mail.h"
#include <assert.h>
#include <errno.h>
#include <time.h>

static const int64_t NS_PER_SECOND = 1000000000;

void mailbox_init(struct mailbox *box, void (*wake)(void *), void *wake_arg)
{
    *box = (struct mailbox){.wake = wake, .wake_arg = wake_arg};
    box->last = &box->first;
    pthread_mutex_init(&box->lock, NULL);
    /* Deadlines must not move when somebody sets the machine's clock. */
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&box->ready, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void mailbox_done(struct mailbox *box)
{
    pthread_cond_destroy(&box->ready);
    pthread_mutex_destroy(&box->lock);
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
    mail->next = NULL;
    mailbox_post_all(box, mail);
}

void mailbox_post_all(struct mailbox *box, struct mail *mail)
{
    struct mail *last = mail;
    while (last->next)
        last = last->next;
    pthread_mutex_lock(&box->lock);
    bool was_empty = !box->first;
    *box->last = mail;
    box->last = &last->next;
    bool asleep = box->waiting > 0;
    if (asleep)
        pthread_cond_signal(&box->ready);
    pthread_mutex_unlock(&box->lock);
    if (was_empty && !asleep && box->wake)
        box->wake(box->wake_arg);
}

static struct mail *take_all(struct mailbox *box)
{
    struct mail *first = box->first;
    box->first = NULL;
    box->last = &box->first;
    return first;
}

static struct mail *take_one(struct mailbox *box)
{
    struct mail *first = box->first;
    if (first) {
        box->first = first->next;
        if (!box->first)
            box->last = &box->first;
        first->next = NULL;
    }
    return first;
}

static struct timespec deadline_in(int64_t timeout_ns)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ns / NS_PER_SECOND;
    at.tv_nsec += timeout_ns % NS_PER_SECOND;
    if (at.tv_nsec >= NS_PER_SECOND) {
        at.tv_sec++;
        at.tv_nsec -= NS_PER_SECOND;
    }
    return at;
}

/* Sleep, with the lock held, until there is mail, an interrupt, or no time left. */
static void sleep_until_mail(struct mailbox *box, int64_t timeout_ns)
{
    if (box->first || box->interrupted || timeout_ns == 0)
        return;
    struct timespec deadline = deadline_in(timeout_ns > 0 ? timeout_ns : 0);
    int result = 0;
    box->waiting++;
    while (!box->first && !box->interrupted && result != ETIMEDOUT) {
        if (timeout_ns < 0)
            result = pthread_cond_wait(&box->ready, &box->lock);
        else
            result = pthread_cond_timedwait(&box->ready, &box->lock, &deadline);
        assert(result == 0 || result == ETIMEDOUT);
    }
    box->waiting--;
}

struct mail *mailbox_take(struct mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    struct mail *got = take_all(box);
    pthread_mutex_unlock(&box->lock);
    return got;
}

struct mail *mailbox_wait(struct mailbox *box, int64_t timeout_ns)
{
    pthread_mutex_lock(&box->lock);
    sleep_until_mail(box, timeout_ns);
    struct mail *got = take_all(box);
    pthread_mutex_unlock(&box->lock);
    return got;
}

struct mail *mailbox_wait_one(struct mailbox *box, int64_t timeout_ns)
{
    pthread_mutex_lock(&box->lock);
    sleep_until_mail(box, timeout_ns);
    struct mail *got = take_one(box);
    pthread_mutex_unlock(&box->lock);
    return got;
}

void mailbox_interrupt(struct mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    box->interrupted = true;
    pthread_cond_broadcast(&box->ready);
    pthread_mutex_unlock(&box->lock);
}

bool gate_enter(struct gate *gate)
{
    size_t inside = atomic_load(&gate->inside);
    while (inside < gate->max)
        if (atomic_compare_exchange_weak(&gate->inside, &inside, inside + 1))
            return true;
    return false;
}

void gate_leave(struct gate *gate)
{
    size_t inside = atomic_fetch_sub(&gate->inside, 1);
    assert(inside > 0);
}
