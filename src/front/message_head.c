#include "front/message_head.h"
#include "base/codec.h"
#include "model/fault.h"

static const struct {
    const char *header, *key;
} system_names[] = {
    {"iothub-messageid", "$.mid"},      {"iothub-to", "$.to"},
    {"iothub-correlationid", "$.cid"},  {"iothub-userid", "$.uid"},
    {"iothub-expiry", "$.exp"},         {"iothub-contenttype", "$.ct"},
    {"iothub-contentencoding", "$.ce"}, {"iothub-creation-time-utc", "$.ctime"},
    {"iothub-interface-id", "$.ifid"},  {"dt-subject", "$.sub"},
    {"iothub-ack", "iothub-ack"},
};
enum { SYSTEM_NAMES = sizeof(system_names) / sizeof(system_names[0]) };
static const struct str app_prefix = STR("iothub-app-");

/* ---- reading ---- */

static enum err refuse(struct why *why, struct str what, const char *rule)
{
    struct str shown = str_clip(what, 64);
    return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, "%.*s %s", STR_ARG(shown), rule);
}

static struct str key_of(struct str header)
{
    for (size_t i = 0; i < SYSTEM_NAMES; i++)
        if (str_eq_nocase(header, str_from(system_names[i].header)))
            return str_from(system_names[i].key);
    bool app =
        header.len > app_prefix.len && str_eq_nocase(str_take(header, app_prefix.len), app_prefix);
    return app ? str_skip(header, app_prefix.len) : STR_NONE;
}

/* What an application may not call a property: it would pass for one of the system's. */
static bool is_reserved(struct str header, struct str key)
{
    struct str ours = STR("iothub-");
    bool app = str_eq_nocase(str_take(header, app_prefix.len), app_prefix);
    return app && (bag_is_system(key) || str_eq_nocase(str_take(key, ours.len), ours));
}

static struct bag_pair *pair_of(struct bag *bag, struct str key)
{
    for (size_t i = 0; i < bag->count; i++)
        if (str_eq(bag->pairs[i].key, key))
            return &bag->pairs[i];
    return NULL;
}

enum err message_head_read(const struct http_header *headers, size_t count, struct arena *mem,
                           struct bag *out, struct why *why)
{
    struct bag bag = {.pairs = arena_array(mem, struct bag_pair, count)};
    for (size_t i = 0; i < count; i++) {
        struct str key = key_of(headers[i].name);
        if (!key.ptr)
            continue;
        if (is_reserved(headers[i].name, key))
            return refuse(why, headers[i].name, "is a name of the system's, not of an application");
        struct bag_pair *pair = pair_of(&bag, key);
        if (!pair && bag.count == BAG_PAIRS_MAX)
            return err_fault(ERR_LIMIT, FAULT_MESSAGE_TOO_LARGE, why,
                             "a message has at most %d properties", BAG_PAIRS_MAX);
        if (!pair)
            pair = &bag.pairs[bag.count++];
        *pair = (struct bag_pair){.key = key, .value = headers[i].value, .has_value = true};
    }
    *out = bag;
    return ERR_OK;
}

/* ---- what a service sends ---- */

static bool value_valid(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 127)
            return false;
    return str_is_utf8(value);
}

static enum err check_pair(const struct bag_pair *pair, struct why *why)
{
    bool is_id = str_eq(pair->key, STR("$.mid")) || str_eq(pair->key, STR("$.cid")) ||
                 str_eq(pair->key, STR("$.uid"));
    if (is_id && (pair->value.len == 0 || pair->value.len > MESSAGE_ID_MAX))
        return refuse(why, pair->key, "must have 1 to 128 characters");
    if (!bag_is_system(pair->key) && !bag_name_valid(pair->key))
        return refuse(why, pair->key,
                      "is no property name: letters, digits and !#$%&'*+-.^_`|~ are allowed");
    if (bag_is_system(pair->key) || value_valid(pair->value))
        return value_valid(pair->value) ? ERR_OK
                                        : refuse(why, pair->key, "holds control characters");
    return refuse(why, pair->key, "holds control characters, or is not UTF-8");
}

static enum err read_expiry(struct arena *mem, struct bag_pair *pair, int64_t *out, struct why *why)
{
    char text[TIME_TEXT_MAX];
    if (!time_parse(pair->value, out))
        return refuse(why, STR("iothub-expiry"), "must be a time like 2030-01-02T03:04:05Z");
    size_t length = time_print_full(*out, text); /* C# wants seven digits (spec 12.2) */
    pair->value = str_copy(mem, str_of(text, length));
    return ERR_OK;
}

static void add(struct bag *bag, const char *key, struct str value)
{
    bag->pairs[bag->count++] =
        (struct bag_pair){.key = str_from(key), .value = value, .has_value = true};
}

enum err message_head_send(const struct bag *sent, struct str body, struct random *random,
                           struct message_send *send, struct why *why)
{
    struct arena *mem = &send->task.mem;
    struct bag bag = {.pairs = arena_array(mem, struct bag_pair, sent->count + 2)};
    for (size_t i = 0; i < sent->count; i++) {
        enum err err = check_pair(&sent->pairs[i], why);
        if (err != ERR_OK)
            return err;
        if (!str_eq(sent->pairs[i].key, STR("$.to")))
            bag.pairs[bag.count++] = sent->pairs[i];
    }
    struct bag_pair *ack = pair_of(&bag, STR("iothub-ack")), *expiry = pair_of(&bag, STR("$.exp")),
                    *id = pair_of(&bag, STR("$.mid"));
    send->ack = MESSAGE_ACK_NONE;
    if (ack && !message_ack_read(ack->value, &send->ack))
        return refuse(why, STR("iothub-ack"), "must be none, positive, negative or full");
    if (expiry && read_expiry(mem, expiry, &send->expires_ticks, why) != ERR_OK)
        return ERR_BAD_INPUT;
    struct buf text = {0};
    buf_put(&text, STR("/devices/"));
    percent_encode(&text, send->device_id);
    buf_put(&text, STR("/messages/devicebound"));
    add(&bag, "$.to", str_copy(mem, buf_str(&text)));
    if (!id) { /* so that feedback can name it */
        uint8_t bytes[GUID_SIZE];
        char guid[GUID_TEXT + 1];
        random->fill(random, bytes, sizeof(bytes));
        guid_print(bytes, guid);
        add(&bag, "$.mid", str_copy(mem, str_from(guid)));
        id = &bag.pairs[bag.count - 1];
    }
    buf_reset(&text);
    bag_put(&text, bag.pairs, bag.count);
    send->text = (struct message_text){
        .id = str_copy(mem, id->value), .properties = str_copy(mem, buf_str(&text)), .body = body};
    size_t size = text.len + body.len;
    buf_done(&text);
    if (size > MESSAGE_BOUND_SIZE_MAX || send->text.properties.len > MESSAGE_PROPERTIES_MAX)
        return err_fault(ERR_LIMIT, FAULT_MESSAGE_TOO_LARGE, why,
                         "the message has %zu bytes with its properties, %d are allowed", size,
                         MESSAGE_BOUND_SIZE_MAX);
    return ERR_OK;
}

/* ---- what a device receives ---- */

static void put_time(struct exchange *exchange, const char *name, int64_t ticks)
{
    char text[TIME_TEXT_MAX];
    size_t length = time_print_full(ticks, text);
    exchange_header(exchange, name, str_of(text, length));
}

static void put_number(struct exchange *exchange, const char *name, uint64_t number)
{
    exchange_header(exchange, name, str_format(&exchange->mem, "%llu", (unsigned long long)number));
}

static void put_pair(struct exchange *exchange, const struct bag_pair *pair)
{
    for (size_t i = 0; i < SYSTEM_NAMES; i++) {
        if (str_eq(pair->key, str_from(system_names[i].key))) {
            exchange_header(exchange, system_names[i].header, pair->value);
            return;
        }
    }
    if (bag_is_system(pair->key))
        return;
    exchange_header(exchange, str_format(&exchange->mem, "iothub-app-%.*s", STR_ARG(pair->key)).ptr,
                    pair->value);
}

void message_head_put(struct exchange *exchange, const struct message *message,
                      struct str properties)
{
    char token[GUID_TEXT + 1];
    struct bag bag = {0};
    struct why why;
    guid_print(message->token, token);
    exchange_header(exchange, "ETag", str_format(&exchange->mem, "\"%s\"", token));
    put_number(exchange, "iothub-sequencenumber", message->sequence);
    put_time(exchange, "iothub-enqueuedtime", message->enqueued_ticks);
    put_number(exchange, "iothub-deliverycount", message->deliveries);
    if (bag_decode(properties, &exchange->mem, &bag, &why) != ERR_OK)
        return; /* we wrote it: cannot be */
    if (!bag_find(&bag, STR("iothub-ack")))
        exchange_header(exchange, "iothub-ack", STR("none"));
    for (size_t i = 0; i < bag.count; i++)
        put_pair(exchange, &bag.pairs[i]);
}
