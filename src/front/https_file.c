#include "front/https_conn.h"
#include "front/rest_blob.h"
#include "model/storage_fault.h"

/* A piece at a time: what comes is written to disk before more is read from the socket, what goes is read from
 * disk when the piece before is sent. So one piece is in memory, whatever the file's size. */

/* The answer of the thread of blobs comes to https_deliver. */
static void back(struct exchange *exchange)
{
}

/* ---- a file comes ---- */

/* What came of a file goes to disk; until it is there no more is read. */
static void pour(struct https_conn *https)
{
    struct exchange *exchange = https->exchange;
    https->exchange = NULL;
    https->answering = true;
    https->progress = 0;
    net_deadline_ms(https->conn, 0);
    http_reader_take_body(&https->reader, &exchange->blob->bytes);
    exchange->pouring = true;
    exchange_blob(exchange, BLOB_WRITE, back);
}

void https_file_written(struct https_conn *https, struct exchange *exchange)
{
    struct why why;
    exchange->pouring = false;
    if (https->stopping && exchange->status < 400)
        exchange_fail(exchange, err_fault(ERR_BUSY, STORAGE_BUSY, &why, "the hub is stopping"),
                      &why);
    if (exchange->status >= 400) {
        exchange->close = true; /* the rest of it is not taken */
        https_answer(https, exchange);
        return;
    }
    https->exchange = exchange;
    https->answering = false;
    net_deadline_ms(https->conn, https->front->config.http_request_ms);
}

/* More of a file has come: enough for a piece, or to show that its sender is alive. */
void https_file_more(struct https_conn *https)
{
    size_t have = https->reader.body.len;
    if (!https->exchange || !https->exchange->pours || https->refused != ERR_OK)
        return;
    if (have >= BLOB_PIECE) {
        pour(https);
    } else if (have >= https->progress + BODY_PROGRESS) {
        https->progress = have;
        net_deadline_ms(https->conn, https->front->config.http_request_ms);
    }
}

/* ---- a file goes ---- */

void https_file_out(struct https_conn *https, struct exchange *exchange)
{
    if (https->stopping) {
        exchange_destroy(exchange);
        net_abort(https->conn); /* half of a file must not look like all of it */
        return;
    }
    https->outgoing = exchange;
    if (net_unsent(https->conn) <= NET_OUT_MARK)
        https_file_next(https);
    else
        net_deadline_ms(https->conn, HTTPS_STALL_MS);
}

void https_file_next(struct https_conn *https)
{
    struct exchange *exchange = https->outgoing;
    https->outgoing = NULL;
    net_deadline_ms(https->conn, 0);
    exchange_blob(exchange, BLOB_READ, back);
}

void https_file_read(struct https_conn *https, struct exchange *exchange)
{
    struct buf *bytes = &exchange->blob->bytes;
    if (exchange->blob->result != ERR_OK || bytes->len == 0) {
        exchange_destroy(exchange);
        net_abort(https->conn);
        return;
    }
    exchange->rest -= (int64_t)bytes->len;
    net_write(https->conn, buf_str(bytes));
    if (exchange->rest > 0)
        https_file_out(https, exchange);
    else
        https_answered(https, exchange);
}
