/* Identities: ids, etags, the Device object in both directions. */
#include "base/codec.h"
#include "model/fault.h"
#include "model/identity.h"
#include "read.h"

static struct arena mem;
static struct random_fake dice;

#define KEY_1 "aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ="
#define KEY_2 "aGVsbG8gd29ybGQgaGVsbG8gd29ybGR4"
#define SHA1 "0123456789ABCDEF0123456789ABCDEF01234567"
#define SHA256 "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"
#define SCOPE "ms-azure-iot-edge://gw-637612875267717085"

static int64_t now(void)
{
    return ticks_of("2021-07-07T20:45:26.7717085Z");
}

static enum err read_device(const char *body, const struct identity *old, struct identity *out,
                            struct why *why)
{
    struct identity_put put = {
        .device_id = STR("dev1"),
        .body = read_quoted(&mem, body),
        .old = old,
        .now_ticks = old ? now() + TICKS_PER_SECOND : now(),
        .random = &dice.random,
    };
    return identity_read(&put, &mem, out, why);
}

static struct identity accepted(const char *rule, const char *body, const struct identity *old)
{
    struct identity identity;
    struct why why;
    if (read_device(body, old, &identity, &why) != ERR_OK)
        fail_msg("%s: %s", rule, why.text);
    return identity;
}

static struct str json_of(const struct identity *identity, const struct presence *presence)
{
    struct buf json = {0};
    identity_put_json(&json, identity, presence);
    struct str text = str_copy(&mem, buf_str(&json));
    buf_done(&json);
    return text;
}

static void ids_follow_the_alphabet(void **state)
{
    char all[128 + 1];
    memset(all, 'x', sizeof(all));
    static const struct {
        const char *rule, *id;
        bool valid;
    } table[] = {
        {"letters and digits", "aZ09", true},
        {"every sign that is allowed", "-:.+%_#*?!(),=@;$'", true},
        {"one character", "$", true},
        {"nothing", "", false},
        {"a space", "a b", false},
        {"a slash", "a/b", false},
        {"a quotation mark", "a\"b", false},
        {"an ampersand", "a&b", false},
        {"brackets", "a[b]", false},
        {"a letter of another alphabet", "\xC3\xA9", false},
        {"a control character", "a\x01", false},
        {"DEL", "a\x7f", false},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        check_int(table[i].rule, identity_id_valid(str_from(table[i].id)), table[i].valid);
    check("128 characters", identity_id_valid(str_of(all, 128)));
    check("not 129", !identity_id_valid(str_of(all, 129)));
    check("not NUL", !identity_id_valid(str_of("a\0b", 3)));
    check("not absent", !identity_id_valid(STR_NONE));
}

static void if_match_in_all_its_forms(void **state)
{
    static const struct {
        const char *rule, *header;
        bool given, passes;
    } table[] = {
        {"absent", NULL, false, true},
        {"empty", "", false, true},
        {"quoted empty, as .NET sends on create", "\"\"", false, true},
        {"blanks", "  ", false, true},
        {"an asterisk", "*", true, true},
        {"an asterisk in quotes", "\"*\"", true, true},
        {"a weak asterisk", "W/\"*\"", true, true},
        {"equal in quotes", "\"MzQzMDYwMzU2\"", true, true},
        {"equal without", "MzQzMDYwMzU2", true, true},
        {"equal and weak", "W/\"MzQzMDYwMzU2\"", true, true},
        {"blanks around", " \"MzQzMDYwMzU2\"\t", true, true},
        {"another", "\"MzQzMDYwMzU3\"", true, false},
        {"another without quotes", "AAAAAAAAAAE=", true, false},
        {"the case counts", "\"mzqzmdywmzu2\"", true, false},
        {"a part of it", "\"MzQzMDYw\"", true, false},
        {"half a quote", "\"MzQzMDYwMzU2", true, false},
        {"a lone quote", "\"", true, false},
        {"an asterisk among others", "\"a*\"", true, false},
        {"weak without quotes is another text", "W/MzQzMDYwMzU2", true, false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct str header = str_from(table[i].header);
        check_int(table[i].rule, etag_is_given(header), table[i].given);
        check_int(table[i].rule, etag_matches(header, STR("MzQzMDYwMzU2")), table[i].passes);
    }
    check("a bare etag may begin like a weak one", etag_matches(STR("W/8="), STR("W/8=")));
    check("it does not lose its head", !etag_matches(STR("W/8="), STR("8=")));
}

static void the_answer_to_a_creation(void **state) /* spec/service-rest.md 5.1 */
{
    struct identity identity =
        accepted("as recorded",
                 "{'deviceId':'dev1','authentication':{'symmetricKey':{'primaryKey':'" KEY_1
                 "','secondaryKey':'" KEY_2 "'}}}",
                 NULL);
    identity.etag = 343060356;
    check_str("etag", identity_etag(&identity, &mem), STR("MzQzMDYwMzU2"));
    check_str("as recorded", json_of(&identity, &PRESENCE_NEVER),
              quoted(&mem, "{'deviceId':'dev1','generationId':'637612875267717085',"
                           "'etag':'MzQzMDYwMzU2','connectionState':'Disconnected',"
                           "'status':'enabled','statusReason':null,"
                           "'connectionStateUpdatedTime':'0001-01-01T00:00:00',"
                           "'statusUpdatedTime':'0001-01-01T00:00:00',"
                           "'lastActivityTime':'0001-01-01T00:00:00','cloudToDeviceMessageCount':0,"
                           "'authentication':{'symmetricKey':{'primaryKey':'" KEY_1
                           "','secondaryKey':'" KEY_2 "'},"
                           "'x509Thumbprint':{'primaryThumbprint':null,'secondaryThumbprint':null},"
                           "'type':'sas'},"
                           "'capabilities':{'iotEdge':false}}"));
}

static void a_device_with_everything(void **state)
{
    struct identity identity = accepted(
        "everything",
        "{'status':'disabled','statusReason':'stolen','deviceScope':'" SCOPE "',"
        "'authentication':{'type':'selfSigned','x509Thumbprint':{'secondaryThumbprint':'" SHA256
        "'}}}",
        NULL);
    struct presence presence = {true, ticks_of("2021-07-08T01:02:03.5Z"),
                                ticks_of("2021-07-09T00:00:00Z"), 0};
    identity.etag = 1;
    check_str("keys of X.509 are null, times have no Z", json_of(&identity, &presence),
              quoted(&mem,
                     "{'deviceId':'dev1','generationId':'637612875267717085',"
                     "'etag':'MQ==','connectionState':'Connected',"
                     "'status':'disabled','statusReason':'stolen',"
                     "'connectionStateUpdatedTime':'2021-07-08T01:02:03.5',"
                     "'statusUpdatedTime':'0001-01-01T00:00:00',"
                     "'lastActivityTime':'2021-07-09T00:00:00','cloudToDeviceMessageCount':0,"
                     "'authentication':{'symmetricKey':{'primaryKey':null,'secondaryKey':null},"
                     "'x509Thumbprint':{'primaryThumbprint':null,'secondaryThumbprint':'" SHA256
                     "'},'type':'selfSigned'},"
                     "'capabilities':{'iotEdge':false},"
                     "'deviceScope':'" SCOPE "','parentScopes':['" SCOPE "']}"));
}

static void creation_fills_in_what_was_not_sent(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{'authentication':null}",
        "{'authentication':{'symmetricKey':null}}",
        "{'authentication':{'type':'sas','symmetricKey':{'primaryKey':'','secondaryKey':''}}}",
        "{'authentication':{'type':'SAS','symmetricKey':{'primaryKey':null,'secondaryKey':null},"
        "'x509Thumbprint':{'primaryThumbprint':null,'secondaryThumbprint':''}}}",
        "{'connectionState':'Connected','etag':'AA','generationId':'7','unheardOf':[1],"
        "'lastActivityTime':'0001-01-01T00:00:00','cloudToDeviceMessageCount':9,'status':null,"
        "'capabilities':null,'deviceScope':null,'parentScopes':null,'statusReason':null}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct identity identity = accepted("creation", bodies[i], NULL);
        struct str bytes;
        check_str("the name is that of the path", identity.device_id, STR("dev1"));
        check_int("enabled", identity.status, IDENTITY_ENABLED);
        check_int("sas", identity.auth, AUTH_SAS);
        check_int("a new generation", identity.created_ticks, now());
        check("a random start of nine digits",
              identity.etag >= 100000000 && identity.etag <= 999999999);
        check_int("status never changed", identity.status_ticks, TIME_UNSET);
        check("keys are base64", base64_decode(&mem, identity.primary_key, &bytes));
        check_int("of 32 bytes", (int64_t)bytes.len, IDENTITY_KEY_SIZE);
        check("both", base64_decode(&mem, identity.secondary_key, &bytes));
        check_int("of 32 bytes", (int64_t)bytes.len, IDENTITY_KEY_SIZE);
        check("which differ", !str_eq(identity.primary_key, identity.secondary_key));
        check("no reason", identity.status_reason.ptr == NULL);
        check("no scope", identity.device_scope.ptr == NULL && identity.parent_scopes.ptr == NULL);
        check("no edge", !identity.iot_edge);
    }
}

#define AUTH(type, rest) "{'authentication':{'type':'" type "'," rest "}}"
#define KEYS(one, two) "'symmetricKey':{'primaryKey':'" one "','secondaryKey':'" two "'}"
#define PRINTS(one, two)                                                                           \
    "'x509Thumbprint':{'primaryThumbprint':'" one "','secondaryThumbprint':'" two "'}"
#define BYTES_15 "AAAAAAAAAAAAAAAAAAAA"
#define BYTES_16 "AAAAAAAAAAAAAAAAAAAAAA=="
#define BYTES_64                                                                                   \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
#define BYTES_65                                                                                   \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static const struct {
    const char *rule, *body, *text; /* text NULL: accepted */
    uint32_t fault;
} requests[] = {
    {"a text is no device", "'x'", "JSON object", FAULT_FORMAT_ERROR},
    {"an array is no device", "[]", "JSON object", FAULT_FORMAT_ERROR},
    {"the id equals the path's", "{'deviceId':'dev1'}", NULL, 0},
    {"the id differs from the path's", "{'deviceId':'dev2'}", "deviceId differs", 0},
    {"ids are case-sensitive", "{'deviceId':'Dev1'}", "deviceId differs", 0},
    {"an id of another kind", "{'deviceId':1}", "deviceId must be a string", 0},
    {"a status in other case", "{'status':'Disabled'}", NULL, 0},
    {"an unknown status", "{'status':'off'}", "status must be", 0},
    {"a status of another kind", "{'status':true}", "status must be a string", 0},
    {"a reason of another kind", "{'statusReason':[]}", "statusReason must be a string", 0},
    {"keys of 16 bytes", AUTH("sas", KEYS(BYTES_16, BYTES_16)), NULL, 0},
    {"keys of 64 bytes", AUTH("sas", KEYS(BYTES_64, BYTES_64)), NULL, 0},
    {"a key of 15 bytes", AUTH("sas", KEYS(BYTES_15, BYTES_16)), "primaryKey must be base64", 0},
    {"a key of 65 bytes", AUTH("sas", KEYS(BYTES_16, BYTES_65)), "secondaryKey must be base64", 0},
    {"keys that Java's tests send", AUTH("sas", KEYS("1", "2")), "primaryKey must be base64", 0},
    {"a key with blanks", AUTH("sas", KEYS(" " KEY_1, KEY_2)), "primaryKey must be base64", 0},
    {"only the primary key", AUTH("sas", KEYS(KEY_1, "")), "both keys or neither", 0},
    {"only the secondary key", AUTH("sas", KEYS("", KEY_2)), "both keys or neither", 0},
    {"a key of another kind", "{'authentication':{'symmetricKey':{'primaryKey':1}}}",
     "primaryKey must be a string", 0},
    {"keys of another kind", "{'authentication':{'symmetricKey':'x'}}",
     "symmetricKey must be an object", 0},
    {"an authentication of another kind", "{'authentication':'sas'}",
     "authentication must be an object", 0},
    {"an unknown type", "{'authentication':{'type':'magic'}}", "authentication.type must be", 0},
    {"a type in other case", "{'authentication':{'type':'CertificateAuthority'}}", NULL, 0},
    {"type none", "{'authentication':{'type':'none'}}", NULL, 0},
    {"thumbprints of SHA-1 and SHA-256", AUTH("selfSigned", PRINTS(SHA1, SHA256)), NULL, 0},
    {"one thumbprint is enough", AUTH("selfSigned", PRINTS(SHA1, "")), NULL, 0},
    {"empty keys beside thumbprints", AUTH("selfSigned", PRINTS(SHA1, "") "," KEYS("", "")), NULL,
     0},
    {"thumbprints from before the type existed", "{'authentication':{" PRINTS(SHA1, "") "}}", NULL,
     0},
    {"selfSigned without a thumbprint", "{'authentication':{'type':'selfSigned'}}",
     "must hold a thumbprint", 0},
    {"a thumbprint of 39 digits",
     AUTH("selfSigned", PRINTS("012345678901234567890123456789012345678", "")),
     "primaryThumbprint must be 40 or 64 hex digits", 0},
    {"a thumbprint of other letters",
     AUTH("selfSigned", PRINTS(SHA1, "G123456789ABCDEF0123456789ABCDEF01234567")),
     "secondaryThumbprint must be 40 or 64 hex digits", 0},
    {"both kinds of credentials", AUTH("sas", KEYS(KEY_1, KEY_2) "," PRINTS(SHA1, "")),
     "x509Thumbprint goes with type selfSigned only", 0},
    {"both kinds, the other way", AUTH("selfSigned", KEYS(KEY_1, KEY_2) "," PRINTS(SHA1, "")),
     "symmetricKey goes with type sas only", 0},
    {"both kinds without a type",
     "{'authentication':{" KEYS(KEY_1, KEY_2) "," PRINTS(SHA1, "") "}}",
     "symmetricKey goes with type sas only", 0},
    {"keys for an authority", AUTH("certificateAuthority", KEYS(KEY_1, KEY_2)),
     "symmetricKey goes with type sas only", 0},
    {"thumbprints for an authority", AUTH("certificateAuthority", PRINTS(SHA1, "")),
     "x509Thumbprint goes with type selfSigned only", 0},
    {"iotEdge of another kind", "{'capabilities':{'iotEdge':'yes'}}", "iotEdge must be", 0},
    {"capabilities of another kind", "{'capabilities':[]}", "capabilities must be an object", 0},
    {"a scope of another form", "{'deviceScope':'http://gw'}", "deviceScope must begin with",
     FAULT_INVALID_DEVICE_SCOPE},
    {"a scope without a name", "{'deviceScope':'ms-azure-iot-edge://'}",
     "deviceScope must begin with", FAULT_INVALID_DEVICE_SCOPE},
    {"a scope of another kind", "{'deviceScope':1}", "deviceScope must be a string", 0},
    {"parents of another kind", "{'parentScopes':'" SCOPE "'}", "parentScopes must be an array", 0},
    {"a parent of another form", "{'parentScopes':['gw']}", "parentScopes must begin with",
     FAULT_INVALID_DEVICE_SCOPE},
    {"a parent of another kind", "{'parentScopes':[1]}", "parentScopes must begin with",
     FAULT_INVALID_DEVICE_SCOPE},
    {"too many parents",
     "{'parentScopes':['" SCOPE "','" SCOPE "','" SCOPE "','" SCOPE "','" SCOPE "','" SCOPE
     "','" SCOPE "','" SCOPE "','" SCOPE "']}",
     "parentScopes exceeds", 0},
};

static void requests_are_checked(void **state)
{
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct identity out = {.number = 77};
        struct why why = {.text = ""};
        enum err err = read_device(requests[i].body, NULL, &out, &why);
        check_int(requests[i].rule, err, requests[i].text ? ERR_BAD_INPUT : ERR_OK);
        if (err == ERR_OK)
            continue;
        check_contains(requests[i].rule, why.text, requests[i].text);
        check_int(requests[i].rule, why.code,
                  requests[i].fault ? requests[i].fault : FAULT_ARGUMENT_INVALID);
        check_int("what is refused leaves no trace", out.number, 77);
        check("a key is a secret", !strstr(why.text, BYTES_15) && !strstr(why.text, KEY_1));
        check("a semicolon cuts the sentence for Node", !strchr(why.text, ';'));
    }
}

static void the_id_of_the_path_is_checked(void **state)
{
    struct identity out;
    struct why why;
    struct identity_put put = {.device_id = STR("a b"),
                               .body = read_quoted(&mem, "{}"),
                               .now_ticks = now(),
                               .random = &dice.random};
    assert_int_equal(identity_read(&put, &mem, &out, &why), ERR_BAD_INPUT);
    check_int("a bad id", why.code, FAULT_ARGUMENT_INVALID);
    check("a semicolon cuts the sentence for Node", !strchr(why.text, ';'));
}

static void a_reason_has_128_characters(void **state)
{
    for (size_t count = 128; count <= 129; count++) {
        struct buf body = {0};
        struct identity out;
        buf_put(&body, STR("{'statusReason':'"));
        for (size_t i = 0; i < count; i++)
            buf_put(&body, STR("\xC3\xA9")); /* two bytes, one character */
        buf_put(&body, STR("'}"));
        buf_put_char(&body, '\0');
        check_int("characters count, not bytes", read_device(body.ptr, NULL, &out, NULL),
                  count == 128 ? ERR_OK : ERR_BAD_INPUT);
        buf_done(&body);
    }
}

static void thumbprints_are_kept_in_upper_case(void **state)
{
    struct identity identity =
        accepted("lower case",
                 AUTH("selfSigned", PRINTS("0123456789abcdef0123456789ABCDEF01234567", "")), NULL);
    check_str("comparing is comparing bytes", identity.primary_thumbprint, STR(SHA1));
    check("no key", identity.primary_key.len == 0 && identity.secondary_key.len == 0);
}

static void thumbprints_are_taken_as_tools_print_them(void **state)
{
    struct identity identity = accepted(
        "colons and blanks",
        AUTH("selfSigned", PRINTS("01:23:45:67:89:ab:cd:ef:01:23:45:67:89:AB:CD:EF:01:23:45:67",
                                  "01234567 89ABCDEF 01234567 89ABCDEF 01234567")),
        NULL);
    check_str("without colons", identity.primary_thumbprint, STR(SHA1));
    check_str("without blanks", identity.secondary_thumbprint, STR(SHA1));
}

/* ---- replacing ---- */

static struct identity sas_device(void)
{
    return accepted(
        "a device with keys",
        "{'status':'disabled','statusReason':'stolen','authentication':{" KEYS(KEY_1, KEY_2) "}}",
        NULL);
}

static void a_replacement_keeps_who_it_is(void **state)
{
    struct identity old = sas_device();
    old.model_id = STR("dtmi:com:example:Thermostat;1");
    struct identity now_is = accepted("replacement", "{}", &old);
    check_int("the generation stays", now_is.created_ticks, old.created_ticks);
    check_int("the etag counts", now_is.etag, old.etag + 1);
    check_str("what the device announced stays", now_is.model_id, old.model_id);
    check("what was not sent is as if never set", now_is.status_reason.ptr == NULL);
    check_int("enabled is the default", now_is.status, IDENTITY_ENABLED);
    check_int("the change of status has a time", now_is.status_ticks, now() + TICKS_PER_SECOND);
    struct identity then = accepted("again", "{'status':'enabled','statusReason':'x'}", &now_is);
    check_int("an equal status is no change", then.status_ticks, now_is.status_ticks);
}

static void keys_survive_a_replacement_without_keys(void **state)
{
    static const struct {
        const char *rule, *body;
        bool same;
    } table[] = {
        {"no authentication", "{}", true},
        {"type sas and no keys", "{'authentication':{'type':'sas'}}", true},
        {"empty keys", AUTH("sas", KEYS("", "")), true},
        {"other keys", AUTH("sas", KEYS(BYTES_16, BYTES_64)), false},
    };
    struct identity old = sas_device();
    for (size_t i = 0; i < COUNT(table); i++) {
        struct identity is = accepted(table[i].rule, table[i].body, &old);
        check_int(table[i].rule, str_eq(is.primary_key, old.primary_key), table[i].same);
        check_int(table[i].rule, str_eq(is.secondary_key, old.secondary_key), table[i].same);
    }
    struct identity none = accepted("to none", "{'authentication':{'type':'none'}}", &old);
    check("a type without keys drops them", none.primary_key.len == 0);
    struct identity back = accepted("back to sas", "{}", &none);
    check("a return to sas makes new ones",
          back.primary_key.len == 44 && !str_eq(back.primary_key, old.primary_key));
}

/* ---- imports ---- */

static void an_imported_edge_device_has_the_scope_that_its_children_know(void **state)
{
    static const struct {
        const char *rule, *scope;
        bool kept;
    } table[] = {
        {"its own", "ms-azure-iot-edge://dev1-17", true},
        {"another device's", "ms-azure-iot-edge://dev2-17", false},
        {"no scope", "dev1-17", false},
        {"none", "", false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct identity made, now_is;
        struct why why;
        struct str text = str_format(&mem, "{'capabilities':{'iotEdge':true},'deviceScope':'%s'}",
                                     table[i].scope);
        struct identity_put put = {.device_id = STR("dev1"),
                                   .body = read_quoted(&mem, text.ptr),
                                   .now_ticks = now(),
                                   .random = &dice.random,
                                   .keep_scope = true};
        assert_int_equal(identity_read(&put, &mem, &made, &why), ERR_OK);
        check_int(table[i].rule, str_eq(made.device_scope, str_from(table[i].scope)),
                  table[i].kept);
        now_is = accepted("replaced", "{'capabilities':{'iotEdge':true}}", &made);
        check_str("and keeps it", now_is.device_scope, made.device_scope);
        now_is = accepted("by a PUT", text.ptr, NULL);
        check("a PUT gives no scope",
              !str_eq(now_is.device_scope, STR("ms-azure-iot-edge://dev1-17")));
    }
}

/* ---- modules ---- */

static enum err read_module(const char *body, struct identity *out, struct why *why)
{
    struct identity_put put = {.device_id = STR("dev1"),
                               .module_id = STR("m1"),
                               .body = read_quoted(&mem, body),
                               .now_ticks = now(),
                               .random = &dice.random};
    return identity_read(&put, &mem, out, why);
}

static void the_answer_to_the_creation_of_a_module(void **state) /* spec/service-rest.md 6 */
{
    struct identity module;
    struct why why;
    check_int("read",
              read_module("{'moduleId':'m1','deviceId':'dev1','managedBy':'IotEdge',"
                          "'status':'disabled','capabilities':{'iotEdge':true},"
                          "'deviceScope':1,'authentication':{" KEYS(KEY_1, KEY_2) "}}",
                          &module, &why),
              ERR_OK);
    module.etag = 1;
    check_str("a module has no status, capabilities or scopes", json_of(&module, &PRESENCE_NEVER),
              quoted(&mem, "{'moduleId':'m1','managedBy':'IotEdge','deviceId':'dev1',"
                           "'generationId':'637612875267717085','etag':'MQ==',"
                           "'connectionState':'Disconnected',"
                           "'connectionStateUpdatedTime':'0001-01-01T00:00:00',"
                           "'lastActivityTime':'0001-01-01T00:00:00','cloudToDeviceMessageCount':0,"
                           "'authentication':{'symmetricKey':{'primaryKey':'" KEY_1
                           "','secondaryKey':'" KEY_2 "'},"
                           "'x509Thumbprint':{'primaryThumbprint':null,'secondaryThumbprint':null},"
                           "'type':'sas'}}"));
}

static void what_a_module_cannot_be(void **state)
{
    static const struct {
        const char *rule, *body, *text;
    } table[] = {
        {"another module", "{'moduleId':'m2'}", "moduleId differs"},
        {"another device's", "{'deviceId':'dev2'}", "deviceId differs"},
        {"managed by a number", "{'managedBy':1}", "managedBy must be a string"},
        {"without both keys", "{'authentication':{" KEYS(KEY_1, "") "}}", "both keys"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct identity module;
        struct why why;
        check_int(table[i].rule, read_module(table[i].body, &module, &why), ERR_BAD_INPUT);
        check_contains(table[i].rule, why.text, table[i].text);
    }
}

/* ---- scopes ---- */

static void a_scope_names_its_device(void **state)
{
    static const struct {
        const char *scope, *device;
    } table[] = {
        {"ms-azure-iot-edge://gw-637612875267717085", "gw"},
        {"ms-azure-iot-edge://a-b-1", "a-b"}, /* ids may hold what divides them from the number */
        {"ms-azure-iot-edge://gw", NULL},
        {"ms-azure-iot-edge://-1", NULL},
        {"ms-azure-iot-edge://", NULL},
        {"gw-1", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        check_str(table[i].scope, identity_scope_device(str_from(table[i].scope)),
                  str_from(table[i].device));
}

static void the_member_that_changed_names_the_new_parent(void **state)
{
    struct identity child = accepted("child", "{'deviceScope':'" SCOPE "'}", NULL);
    static const struct {
        const char *rule, *body;
    } table[] = {
        {"deviceScope", "{'deviceScope':'ms-azure-iot-edge://o-1','parentScopes':['" SCOPE "']}"},
        {"parentScopes", "{'deviceScope':'" SCOPE "','parentScopes':['ms-azure-iot-edge://o-1']}"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct identity moved = accepted(table[i].rule, table[i].body, &child);
        check_str(table[i].rule, moved.device_scope, STR("ms-azure-iot-edge://o-1"));
        check_str(table[i].rule, moved.parent_scopes, STR("[\"ms-azure-iot-edge://o-1\"]"));
    }
}

static void scopes_of_edge_devices_and_their_children(void **state)
{
#define OWN "ms-azure-iot-edge://dev1-637612875267717085"
    static const struct {
        const char *rule, *body, *scope, *parents;
    } table[] = {
        {"an edge device gets its scope", "{'capabilities':{'iotEdge':true}}", OWN, NULL},
        {"which nobody chooses", "{'capabilities':{'iotEdge':true},'deviceScope':'" SCOPE "'}", OWN,
         NULL},
        {"its parents are as sent",
         "{'capabilities':{'iotEdge':true},'parentScopes':['" SCOPE "']}", OWN, "[\"" SCOPE "\"]"},
        {"a child's scope is its parent's, shown twice", "{'deviceScope':'" SCOPE "'}", SCOPE,
         "[\"" SCOPE "\"]"},
        {"a child that names its parent only", "{'parentScopes':['" SCOPE "']}", SCOPE,
         "[\"" SCOPE "\"]"},
        {"the scope wins over the parent",
         "{'deviceScope':'" SCOPE "','parentScopes':['ms-azure-iot-edge://other']}", SCOPE,
         "[\"" SCOPE "\"]"},
        {"empty is unset", "{'deviceScope':'','parentScopes':[]}", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct identity identity = accepted(table[i].rule, table[i].body, NULL);
        check_str(table[i].rule, identity.device_scope, str_from(table[i].scope));
        check_str(table[i].rule, identity.parent_scopes, str_from(table[i].parents));
    }
    struct identity edge = accepted("edge", table[0].body, NULL);
    struct identity later = accepted("edge again", table[0].body, &edge);
    check_str("the scope stays with the generation", later.device_scope, STR(OWN));
}

static int reset(void **state)
{
    arena_done(&mem);
    return 0;
}

static int set_up(void **state)
{
    random_fake_init(&dice, 7);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(ids_follow_the_alphabet, reset),
        cmocka_unit_test_teardown(if_match_in_all_its_forms, reset),
        cmocka_unit_test_teardown(the_answer_to_a_creation, reset),
        cmocka_unit_test_teardown(a_device_with_everything, reset),
        cmocka_unit_test_teardown(creation_fills_in_what_was_not_sent, reset),
        cmocka_unit_test_teardown(requests_are_checked, reset),
        cmocka_unit_test_teardown(the_id_of_the_path_is_checked, reset),
        cmocka_unit_test_teardown(a_reason_has_128_characters, reset),
        cmocka_unit_test_teardown(thumbprints_are_kept_in_upper_case, reset),
        cmocka_unit_test_teardown(thumbprints_are_taken_as_tools_print_them, reset),
        cmocka_unit_test_teardown(a_replacement_keeps_who_it_is, reset),
        cmocka_unit_test_teardown(an_imported_edge_device_has_the_scope_that_its_children_know,
                                  reset),
        cmocka_unit_test_teardown(keys_survive_a_replacement_without_keys, reset),
        cmocka_unit_test_teardown(scopes_of_edge_devices_and_their_children, reset),
        cmocka_unit_test_teardown(the_answer_to_the_creation_of_a_module, reset),
        cmocka_unit_test_teardown(what_a_module_cannot_be, reset),
        cmocka_unit_test_teardown(a_scope_names_its_device, reset),
        cmocka_unit_test_teardown(the_member_that_changed_names_the_new_parent, reset),
    };
    return cmocka_run_group_tests_name("identity", tests, set_up, NULL);
}
