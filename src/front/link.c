#include "front/link.h"
#include "front/mqtt.h"

static struct device_link *link_of(struct attachment *at)
{
    return (struct device_link *)at; /* its first member */
}

void link_ref(struct device_link *link)
{
    atomic_fetch_add(&link->refs, 1);
}

void link_unref(struct device_link *link)
{
    if (link && atomic_fetch_sub(&link->refs, 1) == 1)
        free(link);
}

/* ---- letters ---- */

static void deliver(struct net_mail *mail, struct net_loop *loop)
{
    struct link_letter *letter = (struct link_letter *)mail; /* its first member */
    struct device_link *link = letter->link;
    atomic_fetch_sub(&link->queued, letter->size);
    if (link->session)
        mqtt_session_order(link->session, letter);
    link_unref(link);
    free(letter);
}

static bool post(struct device_link *link, struct link_letter what)
{
    size_t size = sizeof(what) + what.name.len + what.payload.len;
    if (what.order != LINK_CLOSE && atomic_load(&link->queued) + size > LINK_QUEUED_MAX)
        return false;
    char *bytes = xmalloc(size);
    char *text = bytes + sizeof(what);
    if (what.name.len)
        memcpy(text, what.name.ptr, what.name.len);
    if (what.payload.len)
        memcpy(text + what.name.len, what.payload.ptr, what.payload.len);
    what.name.ptr = text;
    what.payload.ptr = text + what.name.len;
    what.size = size;
    what.link = link;
    what.mail.deliver = deliver;
    struct link_letter *letter = (struct link_letter *)(void *)bytes;
    *letter = what;
    atomic_fetch_add(&link->queued, size);
    link_ref(link);
    net_loop_post(link->loop, &letter->mail);
    return true;
}

static bool link_patch(struct attachment *at, int64_t version, struct str payload)
{
    return post(link_of(at),
                (struct link_letter){.order = LINK_PATCH, .version = version, .payload = payload});
}

static bool link_call(struct attachment *at, uint64_t call, struct str method, struct str payload)
{
    return post(
        link_of(at),
        (struct link_letter){.order = LINK_CALL, .call = call, .name = method, .payload = payload});
}

static bool link_message(struct attachment *at, const struct attached_message *message)
{
    return post(link_of(at), (struct link_letter){.order = LINK_MESSAGE,
                                                  .call = message->sequence,
                                                  .qos1 = message->qos1,
                                                  .dup = message->dup,
                                                  .name = message->properties,
                                                  .payload = message->body});
}

static void link_close(struct attachment *at, enum close_reason reason)
{
    post(link_of(at), (struct link_letter){.order = LINK_CLOSE, .reason = reason});
}

static void link_released(struct attachment *at)
{
    link_unref(link_of(at));
}

static const struct attachment_ops link_ops = {.patch = link_patch,
                                               .call = link_call,
                                               .message = link_message,
                                               .close = link_close,
                                               .released = link_released};

struct device_link *link_create(struct net_loop *loop, struct mqtt_session *session)
{
    struct device_link *link = xcalloc(1, sizeof(*link));
    atomic_init(&link->refs, 1);
    link->at.ops = &link_ops;
    link->loop = loop;
    link->session = session;
    return link;
}
