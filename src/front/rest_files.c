/* Files that devices upload: begun and ended here, the bytes in between by rest_blob.c.
 * Source: spec/device-http-amqp.md A.4.
 *
 *   POST /devices/{d}/files                        begin: an address to write to
 *   POST /devices/{d}/files/notifications[/{id}]   end */
#include "front/rest_blob.h"
#include "front/rest_device.h"
#include "hub/uploads.h"
#include "model/blob_name.h"
#include "model/fault.h"
#include "wire/blob.h"

/* A JSON object; what is wrong is told to whoever has proven to be the device. */
static enum err read_object(struct exchange *exchange, struct why *why)
{
    if (!exchange->front->config.blobs)
        return err_fault(ERR_BAD_INPUT, FAULT_NO_STORAGE, why,
                         "this hub takes no files: it runs with --file-mib 0");
    enum err err = exchange_read_json(exchange, exchange->body, FILES_BODY_MAX, why);
    if (err != ERR_OK || yyjson_is_obj(exchange->json))
        return err;
    return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, "the body must be a JSON object");
}

/* ---- begin ---- */

static enum err read_begin(struct exchange *exchange, struct str *name, struct why *why)
{
    enum err err = read_object(exchange, why);
    if (err != ERR_OK)
        return err;
    *name = json_member_str(exchange->json, "blobName");
    return blob_name_check(exchange->segments[1], *name, why);
}

static void begin_finish(struct exchange *exchange)
{
    const struct upload_begin *begin = (struct upload_begin *)exchange->task;
    struct arena *mem = &exchange->mem;
    struct str device_id = begin->caller->device_id;
    char id[UPLOAD_ID_TEXT + 1];
    upload_id_print(begin->upload.id, id);
    struct buf *out = &exchange->out;
    buf_put_char(out, '{');
    json_put_member_str(out, "correlationId", str_from(id));
    json_put_member_str(out, "hostName", blob_host(exchange));
    json_put_member_str(out, "containerName", STR(BLOB_CONTAINER));
    json_put_member_str(
        out, "blobName",
        str_format(mem, "%.*s/%.*s", STR_ARG(device_id), STR_ARG(begin->upload.name)));
    json_put_member_str(out, "sasToken",
                        blob_address(exchange, device_id, begin->upload.name, 'w', UPLOAD_LIFE_S));
    buf_put_char(out, '}');
}

void rest_upload_begin(struct exchange *exchange)
{
    struct upload_begin *begin = exchange_new(exchange, struct upload_begin);
    struct device_request *request = exchange_new(exchange, struct device_request);
    if (!device_request_init(exchange, request))
        return;
    request->refused = read_begin(exchange, &begin->name, &request->refusal);
    request->quota = QUOTA_UPLOADS;
    request->quota_count = 1;
    upload_begin_init(begin);
    begin->caller = &request->caller;
    exchange_task(exchange, &begin->task, begin_finish);
}

/* ---- end ---- */

static enum err read_end(struct exchange *exchange, struct upload_close *close, struct why *why)
{
    enum err err = read_object(exchange, why);
    if (err != ERR_OK)
        return err;
    yyjson_val *body = exchange->json;
    yyjson_val *success = yyjson_obj_get(body, "isSuccess");
    bool in_path = exchange->segment_count == 5;
    struct str id = in_path ? exchange->segments[4] : json_member_str(body, "correlationId");
    if (!yyjson_is_bool(success))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "isSuccess must be true or false");
    close->success = yyjson_get_bool(success);
    if (!id.ptr)
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "correlationId must be the one that the upload began with");
    if (!upload_id_read(id, close->id))
        memset(close->id, 0xFF, sizeof(close->id)); /* none of ours: an end in the far future */
    return ERR_OK;
}

static void closed_finish(struct exchange *exchange)
{
    exchange->status = 204;
}

/* The hub knows of the failure; blocks that were sent are of no use any more. */
static void failed_finish(struct exchange *exchange)
{
    const struct upload_close *close = (struct upload_close *)exchange->task;
    exchange->blob =
        blob_create(exchange->front->config.blobs, close->caller->device_id, close->name);
    exchange_blob(exchange, BLOB_FORGET, closed_finish);
}

static void looked_finish(struct exchange *exchange)
{
    struct upload_close *close = (struct upload_close *)exchange->task;
    struct arena *mem = &exchange->mem;
    close->known = true;
    close->size = exchange->blob->size;
    close->modified_ticks = exchange->blob->modified_ticks;
    struct str sas =
        blob_address(exchange, close->caller->device_id, close->name, 'r', BLOB_LINK_LIFE_S);
    close->uri = str_format(mem, "%.*s%.*s",
                            STR_ARG(blob_uri(exchange, close->caller->device_id, close->name)),
                            STR_ARG(sas));
    exchange_task(exchange, &close->task, closed_finish);
}

static void found_finish(struct exchange *exchange)
{
    struct upload_close *close = (struct upload_close *)exchange->task;
    exchange->blob =
        blob_create(exchange->front->config.blobs, close->caller->device_id, close->name);
    exchange_blob(exchange, BLOB_LOOK, looked_finish);
}

void rest_upload_end(struct exchange *exchange)
{
    struct upload_close *close = exchange_new(exchange, struct upload_close);
    struct device_request *request = exchange_new(exchange, struct device_request);
    if (!device_request_init(exchange, request))
        return;
    upload_close_init(close);
    request->refused = read_end(exchange, close, &request->refusal);
    close->caller = &request->caller;
    exchange_task(exchange, &close->task, close->success ? found_finish : failed_finish);
}
