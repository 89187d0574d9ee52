#include "base/arena.h"
#include "base/mail.h"
#include "check.h"

/* Who waits here waits for an event; the deadline is for a test that has already failed. */
static const int64_t LONG_NS = INT64_C(60) * 1000000000;

struct letter {
    struct mail mail; /* the first member */
    int sender, number;
};

static struct letter *letter_of(struct mail *mail)
{
    return (struct letter *)mail;
}

static void count_wake(void *arg)
{
    ++*(int *)arg;
}

static void mail_comes_in_the_order_of_posting(void **state)
{
    struct mailbox box;
    struct letter letters[5] = {0};
    mailbox_init(&box, NULL, NULL);
    check("an empty box gives nothing", !mailbox_take(&box));
    for (size_t i = 0; i < COUNT(letters); i++)
        mailbox_post(&box, &letters[i].mail);
    struct mail *mail = mailbox_take(&box);
    for (size_t i = 0; i < COUNT(letters); i++, mail = mail->next)
        check("oldest first", mail == &letters[i].mail);
    check("and no more", !mail && !mailbox_take(&box));
    mailbox_post(&box, &letters[0].mail);
    check("a box that was emptied works on", mailbox_take(&box) == &letters[0].mail);
    mailbox_done(&box);
}

static void one_at_a_time(void **state)
{
    struct mailbox box;
    struct letter letters[3] = {0};
    mailbox_init(&box, NULL, NULL);
    check("an empty box gives nothing", !mailbox_wait_one(&box, 0));
    mailbox_post(&box, &letters[0].mail);
    mailbox_post(&box, &letters[1].mail);
    struct mail *first = mailbox_wait_one(&box, -1);
    check("the oldest", first == &letters[0].mail);
    check("is not linked to the others", !first->next);
    check("the next", mailbox_wait_one(&box, -1) == &letters[1].mail);
    check("nothing is left", !mailbox_wait_one(&box, 0));
    mailbox_post(&box, &letters[2].mail);
    check("a box that was emptied works on", mailbox_take(&box) == &letters[2].mail);
    mailbox_done(&box);
}

static void the_receiver_is_woken_once_for_what_it_will_find(void **state)
{
    struct mailbox box;
    struct letter letters[3] = {0};
    int wakes = 0;
    mailbox_init(&box, count_wake, &wakes);
    mailbox_post(&box, &letters[0].mail);
    check_int("the first letter wakes", wakes, 1);
    mailbox_post(&box, &letters[1].mail);
    check_int("the second finds it awake", wakes, 1);
    mailbox_take(&box);
    mailbox_post(&box, &letters[2].mail);
    check_int("an emptied box wakes again", wakes, 2);
    mailbox_wait_one(&box, 0);
    mailbox_interrupt(&box);
    check_int("taking and interrupting wake nobody", wakes, 2);
    mailbox_done(&box);
}

static void a_wait_ends_when_its_time_has_passed(void **state)
{
    struct mailbox box;
    mailbox_init(&box, NULL, NULL);
    check("at once", !mailbox_wait(&box, 0));
    check("after a moment", !mailbox_wait(&box, 1000000));
    check("one, after a moment", !mailbox_wait_one(&box, 1000000));
    mailbox_done(&box);
}

/* ---- with threads ---- */

struct sleeper {
    struct mailbox *box;
    int64_t timeout_ns;
    struct mail *got;
    pthread_t thread;
};

static void *sleep_for_all(void *arg)
{
    struct sleeper *sleeper = arg;
    sleeper->got = mailbox_wait(sleeper->box, sleeper->timeout_ns);
    return NULL;
}

static void *sleep_for_one(void *arg)
{
    struct sleeper *sleeper = arg;
    sleeper->got = mailbox_wait_one(sleeper->box, sleeper->timeout_ns);
    return NULL;
}

static void until_asleep(struct mailbox *box, size_t count)
{
    for (size_t asleep = 0; asleep < count;) {
        pthread_mutex_lock(&box->lock);
        asleep = box->waiting;
        pthread_mutex_unlock(&box->lock);
        sched_yield();
    }
}

static void a_sleeper_is_not_woken_twice(void **state)
{
    struct mailbox box;
    struct letter letters[2] = {0};
    int wakes = 0;
    mailbox_init(&box, count_wake, &wakes);
    struct sleeper sleeper = {.box = &box, .timeout_ns = -1};
    pthread_create(&sleeper.thread, NULL, sleep_for_all, &sleeper);
    until_asleep(&box, 1);
    mailbox_post(&box, &letters[0].mail);
    pthread_join(sleeper.thread, NULL);
    check("it has the letter", sleeper.got == &letters[0].mail);
    check_int("the wake is for those who sleep elsewhere", wakes, 0);
    mailbox_post(&box, &letters[1].mail);
    check_int("with nobody asleep it is called", wakes, 1);
    mailbox_done(&box);
}

static void a_sleeper_with_a_deadline_gets_its_mail_too(void **state)
{
    struct mailbox box;
    struct letter letter = {0};
    mailbox_init(&box, NULL, NULL);
    struct sleeper sleeper = {.box = &box, .timeout_ns = LONG_NS};
    pthread_create(&sleeper.thread, NULL, sleep_for_one, &sleeper);
    until_asleep(&box, 1);
    mailbox_post(&box, &letter.mail);
    pthread_join(sleeper.thread, NULL);
    check("the letter", sleeper.got == &letter.mail);
    mailbox_done(&box);
}

static void an_interrupt_sends_all_sleepers_home(void **state)
{
    enum { SLEEPERS = 4 };
    struct mailbox box;
    struct letter letter = {0};
    struct sleeper sleepers[SLEEPERS];
    mailbox_init(&box, NULL, NULL);
    for (size_t i = 0; i < SLEEPERS; i++) {
        sleepers[i] = (struct sleeper){.box = &box, .timeout_ns = i % 2 ? -1 : LONG_NS};
        pthread_create(&sleepers[i].thread, NULL, i < 2 ? sleep_for_all : sleep_for_one,
                       &sleepers[i]);
    }
    until_asleep(&box, SLEEPERS);
    mailbox_interrupt(&box);
    for (size_t i = 0; i < SLEEPERS; i++) {
        pthread_join(sleepers[i].thread, NULL);
        check("with nothing", !sleepers[i].got);
    }
    check("nobody falls asleep afterwards", !mailbox_wait(&box, -1) && !mailbox_wait_one(&box, -1));
    mailbox_post(&box, &letter.mail);
    check("what still comes is given", mailbox_wait_one(&box, -1) == &letter.mail);
    check("and then nothing again", !mailbox_wait_one(&box, -1));
    mailbox_done(&box);
}

enum { SENDERS = 4, WORKERS = 3, LETTERS = 2000 };

struct sender {
    struct mailbox *box;
    int number;
    struct letter *letters;
    pthread_t thread;
};

static void *send_all(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < LETTERS; i++) {
        sender->letters[i] = (struct letter){.sender = sender->number, .number = i};
        mailbox_post(sender->box, &sender->letters[i].mail);
    }
    return NULL;
}

static void start_senders(struct sender senders[SENDERS], struct mailbox *box)
{
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){box, i, xcalloc(LETTERS, sizeof(struct letter)), 0};
        pthread_create(&senders[i].thread, NULL, send_all, &senders[i]);
    }
}

static void join_senders(struct sender senders[SENDERS])
{
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
}

static void free_letters(struct sender senders[SENDERS])
{
    for (int i = 0; i < SENDERS; i++)
        free(senders[i].letters);
}

static void the_order_of_each_sender_is_kept(void **state)
{
    struct mailbox box;
    struct sender senders[SENDERS];
    int next[SENDERS] = {0}, total = 0;
    mailbox_init(&box, NULL, NULL);
    start_senders(senders, &box);
    while (total < SENDERS * LETTERS) {
        struct mail *mail = mailbox_wait(&box, LONG_NS);
        check("letters keep coming", mail != NULL);
        for (; mail; mail = mail->next, total++) {
            struct letter *letter = letter_of(mail);
            check_int("in the order in which they were sent", letter->number,
                      next[letter->sender]++);
        }
    }
    join_senders(senders);
    check("nothing comes twice", !mailbox_take(&box));
    free_letters(senders);
    mailbox_done(&box);
}

/* A worker counts what it got; a letter belongs to the worker who took it, so writing into it
 * without a lock must be right. */
struct worker {
    struct mailbox *box;
    int count;
    pthread_t thread;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    for (struct mail *mail; (mail = mailbox_wait_one(worker->box, -1)); worker->count++)
        letter_of(mail)->number = -1;
    return NULL;
}

static void a_pool_of_workers_empties_the_box_before_it_stops(void **state)
{
    struct mailbox box;
    struct sender senders[SENDERS];
    struct worker workers[WORKERS];
    int total = 0;
    mailbox_init(&box, NULL, NULL);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.box = &box};
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    start_senders(senders, &box);
    join_senders(senders);
    mailbox_interrupt(&box);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        total += workers[i].count;
    }
    check_int("each letter was taken once", total, SENDERS * LETTERS);
    for (int i = 0; i < SENDERS; i++)
        for (int k = 0; k < LETTERS; k++)
            check_int("and worked on", senders[i].letters[k].number, -1);
    free_letters(senders);
    mailbox_done(&box);
}

/* An event loop in small: it sleeps on a flag of its own, which the wake raises, and must never
 * sleep over mail. */
struct loop {
    struct mailbox box;
    pthread_mutex_t lock;
    pthread_cond_t raised;
    bool flag;
};

static void raise_flag(void *arg)
{
    struct loop *loop = arg;
    pthread_mutex_lock(&loop->lock);
    loop->flag = true;
    pthread_cond_signal(&loop->raised);
    pthread_mutex_unlock(&loop->lock);
}

static void sleep_until_flag(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    while (!loop->flag)
        pthread_cond_wait(&loop->raised, &loop->lock);
    loop->flag = false;
    pthread_mutex_unlock(&loop->lock);
}

static void a_loop_that_sleeps_elsewhere_misses_nothing(void **state)
{
    struct loop loop = {.lock = PTHREAD_MUTEX_INITIALIZER, .raised = PTHREAD_COND_INITIALIZER};
    struct sender senders[SENDERS];
    mailbox_init(&loop.box, raise_flag, &loop);
    start_senders(senders, &loop.box);
    for (int total = 0; total < SENDERS * LETTERS;) {
        sleep_until_flag(&loop);
        for (struct mail *mail = mailbox_take(&loop.box); mail; mail = mail->next)
            total++;
    }
    join_senders(senders);
    free_letters(senders);
    mailbox_done(&loop.box);
}

/* ---- the gate ---- */

static void a_gate_lets_so_many_in_and_no_more(void **state)
{
    struct gate gate = {.max = 2}, shut = {0};
    check("one", gate_enter(&gate));
    check("two", gate_enter(&gate));
    check("not three", !gate_enter(&gate));
    check("still not", !gate_enter(&gate));
    gate_leave(&gate);
    check("who leaves makes room for one", gate_enter(&gate) && !gate_enter(&gate));
    check("a gate of nothing is shut", !gate_enter(&shut));
}

struct visitor {
    struct gate *gate;
    atomic_int *inside, *most;
    int entered;
    pthread_t thread;
};

static void *visit(void *arg)
{
    struct visitor *visitor = arg;
    while (visitor->entered < LETTERS) {
        if (!gate_enter(visitor->gate)) {
            sched_yield();
            continue;
        }
        int now = atomic_fetch_add(visitor->inside, 1) + 1, most = atomic_load(visitor->most);
        while (now > most && !atomic_compare_exchange_weak(visitor->most, &most, now))
            continue;
        visitor->entered++;
        atomic_fetch_sub(visitor->inside, 1);
        gate_leave(visitor->gate);
    }
    return NULL;
}

static void a_gate_holds_against_a_crowd(void **state)
{
    struct gate gate = {.max = 2};
    atomic_int inside = 0, most = 0;
    struct visitor visitors[2 * WORKERS];
    for (size_t i = 0; i < COUNT(visitors); i++) {
        visitors[i] = (struct visitor){&gate, &inside, &most, 0, 0};
        pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]);
    }
    for (size_t i = 0; i < COUNT(visitors); i++)
        pthread_join(visitors[i].thread, NULL);
    check("never more than two were inside", atomic_load(&most) <= 2);
    check("all have left", gate_enter(&gate) && gate_enter(&gate) && !gate_enter(&gate));
}

static void leave_what_was_never_entered(void)
{
    struct gate gate = {.max = 1};
    gate_leave(&gate);
}

static void who_leaves_has_entered(void **state)
{
    check_stops("gate_leave", leave_what_was_never_entered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_comes_in_the_order_of_posting),
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(the_receiver_is_woken_once_for_what_it_will_find),
        cmocka_unit_test(a_wait_ends_when_its_time_has_passed),
        cmocka_unit_test(a_sleeper_is_not_woken_twice),
        cmocka_unit_test(a_sleeper_with_a_deadline_gets_its_mail_too),
        cmocka_unit_test(an_interrupt_sends_all_sleepers_home),
        cmocka_unit_test(the_order_of_each_sender_is_kept),
        cmocka_unit_test(a_pool_of_workers_empties_the_box_before_it_stops),
        cmocka_unit_test(a_loop_that_sleeps_elsewhere_misses_nothing),
        cmocka_unit_test(a_gate_lets_so_many_in_and_no_more),
        cmocka_unit_test(a_gate_holds_against_a_crowd),
        cmocka_unit_test(who_leaves_has_entered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
