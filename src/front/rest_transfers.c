/* Import and export jobs of the registry. Source: spec/service-rest.md 13.
 *
 *   POST   /jobs/create   begin one
 *   GET    /jobs          the newest first
 *   GET    /jobs/{id}
 *   DELETE /jobs/{id}     cancel */
#include "front/routes.h"
#include "hub/transfers.h"
#include "model/fault.h"

static struct transfers *board(struct exchange *exchange)
{
    return exchange->front->config.transfers;
}

static void create_finish(struct exchange *exchange)
{
    transfer_put(&exchange->out, &((struct transfer_begin *)exchange->task)->result, true);
}

void rest_transfer_create(struct exchange *exchange)
{
    struct transfer_begin *begin = exchange_new(exchange, struct transfer_begin);
    struct why why;
    begin->transfers = board(exchange);
    enum err err = transfer_read(exchange->json, &exchange->mem, &begin->wish, &why);
    if (err == ERR_OK)
        err = transfers_check(begin->transfers, &begin->wish, &why);
    if (err != ERR_OK) {
        exchange_fail(exchange, err, &why);
        exchange_done(exchange);
        return;
    }
    transfer_begin_init(begin);
    exchange_task(exchange, &begin->task, create_finish);
}

void rest_transfer_list(struct exchange *exchange)
{
    struct transfer *all;
    size_t count = transfers_list(board(exchange), &exchange->mem, &all);
    buf_put_char(&exchange->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(&exchange->out, ',');
        transfer_put(&exchange->out, &all[i], false);
    }
    buf_put_char(&exchange->out, ']');
    exchange_done(exchange);
}

void rest_transfer_get(struct exchange *exchange)
{
    struct transfer transfer;
    struct why why;
    enum err err =
        transfers_find(board(exchange), exchange->segments[1], &exchange->mem, &transfer, &why);
    if (err != ERR_OK)
        exchange_fail(exchange, err, &why);
    else
        transfer_put(&exchange->out, &transfer, false);
    exchange_done(exchange);
}

void rest_transfer_cancel(struct exchange *exchange)
{
    struct why why;
    enum err err = transfers_cancel(board(exchange), exchange->segments[1], &why);
    if (err != ERR_OK)
        exchange_fail(exchange, err, &why);
    else
        exchange->status = 204;
    exchange_done(exchange);
}
