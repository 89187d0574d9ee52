#include "model/message.h"

static const struct {
    struct str stored, shown, routed;
} names[] = {
    {STR("$.mid"), STR("message-id"), STR("messageId")},
    {STR("$.cid"), STR("correlation-id"), STR("correlationId")},
    {STR("$.uid"), STR("user-id"), STR("userId")},
    {STR("$.to"), STR("to"), STR("to")},
    {STR("$.exp"), STR("absolute-expiry-time"), STR("expiryTimeUtc")},
    {STR("$.ct"), STR("content-type"), STR("contentType")},
    {STR("$.ce"), STR("content-encoding"), STR("contentEncoding")},
    {STR("$.ctime"), STR("iothub-creation-time-utc"), STR("creationTimeUtc")},
    {STR("$.on"), STR("iothub-outputname"), STR("outputName")},
    {STR("$.ifid"), STR("iothub-interface-id"), STR("interfaceId")},
    {STR("$.diagid"), STR("Diagnostic-Id"), STR("diagnosticId")},
    {STR("$.diagctx"), STR("Correlation-Context"), STR("correlationContext")},
    {STR("$.schema"), STR("message-schema"), STR("messageSchema")},
    {STR("iothub-ack"), STR("iothub-ack"), STR("ack")},
    {STR("iothub-connection-device-id"), STR("iothub-connection-device-id"),
     STR("connectionDeviceId")},
    {STR("iothub-connection-module-id"), STR("iothub-connection-module-id"),
     STR("connectionModuleId")},
    {STR("iothub-connection-auth-method"), STR("iothub-connection-auth-method"),
     STR("connectionAuthMethod")},
    {STR("iothub-connection-auth-generation-id"), STR("iothub-connection-auth-generation-id"),
     STR("connectionDeviceGenerationId")},
    {STR("iothub-enqueuedtime"), STR("iothub-enqueuedtime"), STR("enqueuedTime")},
    {STR("iothub-message-source"), STR("iothub-message-source"), STR("messageSource")},
    {STR("dt-dataschema"), STR("dt-dataschema"), STR("dt-dataschema")},
    {STR("dt-subject"), STR("dt-subject"), STR("dt-subject")},
};
enum { NAMES = sizeof names / sizeof names[0] };

/* The hub shows a component as dt-subject, and a sender by what it has proven, not by what it says. */
static const struct str hidden[] = {STR("$.sub"), STR("$.cdid"), STR("$.cmid")};

/* Of the stamps that Azure counts among the application properties (spec/device-mqtt.md 10), and of hub
 * events, which say what they are in one (spec/device-auth.md 7.2). */
static const struct str application[] = {STR("iothub-MessageType"), STR("iothub-message-schema")};

enum message_part message_part(struct str stored, struct str *shown)
{
    *shown = stored;
    for (size_t i = 0; i < NAMES; i++) {
        if (!str_eq(stored, names[i].stored))
            continue;
        *shown = names[i].shown;
        return MESSAGE_SYSTEM;
    }
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        if (str_eq(stored, hidden[i]))
            return MESSAGE_HIDDEN;
    for (size_t i = 0; i < sizeof application / sizeof application[0]; i++)
        if (str_eq(stored, application[i]))
            return MESSAGE_APPLICATION;
    return str_starts(stored, STR("$.")) || str_starts(stored, STR("iothub-"))
               ? MESSAGE_SYSTEM
               : MESSAGE_APPLICATION;
}

struct str message_routed(struct str name)
{
    for (size_t i = 0; i < NAMES; i++)
        if (str_eq_nocase(name, names[i].routed) || str_eq(name, names[i].stored))
            return names[i].stored;
    return STR_NONE;
}
