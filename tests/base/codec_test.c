#include "base/codec.h"
#include "check.h"

static void base64(void **state)
{
    static const struct {
        const char *rule;
        struct str bytes;
        const char *text;
    } pairs[] = {
        {"RFC 4648, 10", {"", 0}, ""},
        {"RFC 4648, 10", {"f", 1}, "Zg=="},
        {"RFC 4648, 10", {"fo", 2}, "Zm8="},
        {"RFC 4648, 10", {"foo", 3}, "Zm9v"},
        {"RFC 4648, 10", {"foob", 4}, "Zm9vYg=="},
        {"RFC 4648, 10", {"fooba", 5}, "Zm9vYmE="},
        {"RFC 4648, 10", {"foobar", 6}, "Zm9vYmFy"},
        {"digits 62 and 63 are + and /", {"\xFB\xEF\xBE\xFF\xFF\xFF", 6}, "++++////"},
        {"zero bytes", {"\0\0\0\0", 4}, "AAAAAA=="},
        {"the ETag of a new twin", {"\0\0\0\0\0\0\0\1", 8}, "AAAAAAAAAAE="},
    };
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct str bytes;
        check_str(pairs[i].rule, base64_encode(&mem, pairs[i].bytes), str_from(pairs[i].text));
        check(pairs[i].rule, base64_decode(&mem, str_from(pairs[i].text), &bytes));
        check_str(pairs[i].rule, bytes, pairs[i].bytes);
    }
    arena_done(&mem);
}

static void base64_returns_every_byte(void **state)
{
    struct arena mem = {0};
    char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    for (size_t len = 0; len <= sizeof all; len++) {
        struct str bytes;
        check("it decodes", base64_decode(&mem, base64_encode(&mem, str_of(all, len)), &bytes));
        check_str("to the same bytes", bytes, str_of(all, len));
    }
    arena_done(&mem);
}

static void base64_is_strict(void **state)
{
    static const struct {
        const char *rule, *text;
        bool ok;
    } cases[] = {
        {"padding is missing", "Zg", false},
        {"padding is short", "Zg=", false},
        {"padding is long", "Zm9v====", false},
        {"three of four are padding", "Z===", false},
        {"all is padding", "====", false},
        {"padding in the middle", "Zg==Zg==", false},
        {"a digit behind padding", "Zg=v", false},
        {"white space in front", " Zm9", false},
        {"a line end behind", "Zm9v\n", false},
        {"a line end inside", "Zm9vZm9\n", false},
        {"the URL alphabet is another", "--__", false},
        {"no digit of any", "Zm9*", false},
        {"a byte above ASCII", "Zm9\xC3", false},
        {"bits that padding leaves over are ignored", "Zh==", true},
    };
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str bytes = STR("untouched");
        bool ok = base64_decode(&mem, str_from(cases[i].text), &bytes);
        check(cases[i].rule, ok == cases[i].ok);
        check_str(cases[i].rule, bytes, ok ? STR("f") : STR("untouched"));
    }
    arena_done(&mem);
}

static void percent_decoding(void **state)
{
    static const struct {
        const char *rule, *text, *decoded;
        bool strict; /* the strict form takes it too */
    } cases[] = {
        {"nothing to decode", "device-1", "device-1", true},
        {"empty", "", "", true},
        {"upper-case digits", "a%2Fb", "a/b", true},
        {"lower-case digits", "a%2fb", "a/b", true},
        {"a plus is a plus", "a+b", "a+b", true},
        {"once, not twice", "%2541", "%41", true},
        {"UTF-8 in pieces", "%C3%A9", "\xC3\xA9", true},
        {"$. of the system properties", "%24.mid", "$.mid", true},
        {"an escape cut after the sign stays", "a%", "a%", false},
        {"an escape cut after a digit stays", "a%2", "a%2", false},
        {"no digits stay", "100%zz", "100%zz", false},
        {"a wrong second digit stays", "%2g", "%2g", false},
        {"what follows a broken one is decoded", "%%41", "%A", false},
        {"both in one text", "%zz%20", "%zz ", false},
    };
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str text = str_from(cases[i].text), out = STR("untouched");
        check_str(cases[i].rule, percent_decode(&mem, text), str_from(cases[i].decoded));
        check(cases[i].rule, percent_decode_strict(&mem, text, &out) == cases[i].strict);
        check_str(cases[i].rule, out,
                  cases[i].strict ? str_from(cases[i].decoded) : STR("untouched"));
    }
    struct str plain = STR("plain"), nul = percent_decode(&mem, STR("a%00b"));
    check("what needs no decoding is borrowed", percent_decode(&mem, plain).ptr == plain.ptr);
    check_str("a NUL is a byte like others", nul, str_of("a\0b", 3));
    arena_done(&mem);
}

static void percent_encoding(void **state)
{
    static const struct {
        const char *rule, *text, *encoded;
    } cases[] = {
        {"unreserved characters stay", "AZaz09-._~", "AZaz09-._~"},
        {"all else is escaped, in upper case", "a/b c+d%", "a%2Fb%20c%2Bd%25"},
        {"bytes above ASCII", "\xC3\xA9", "%C3%A9"},
        {"the neighbours of the unreserved", "@[`{/:,^", "%40%5B%60%7B%2F%3A%2C%5E"},
    };
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        percent_encode(&out, str_from(cases[i].text));
        check_str(cases[i].rule, buf_str(&out), str_from(cases[i].encoded));
        check_str(cases[i].rule, percent_decode(&mem, buf_str(&out)), str_from(cases[i].text));
        buf_done(&out);
    }
    arena_done(&mem);
}

static void hex(void **state)
{
    char text[9];
    hex_print((const uint8_t *)"", 0, text);
    check_str("empty", str_from(text), STR(""));
    hex_print((const uint8_t *)"\x00\x0F\xF0\xFF", 4, text);
    check_str("lower case, two digits a byte", str_from(text), STR("000ff0ff"));
}

static void hex_has_one_text(void **state)
{
    static const struct {
        const char *rule, *text;
        bool read;
    } texts[] = {
        {"lower case", "00af", true},     {"capitals", "00AF", false},
        {"one digit less", "00a", false}, {"one more", "00af0", false},
        {"no digit", "00ag", false},      {"the sign before 0", "/0af", false},
        {"and after 9", ":0af", false},   {"nothing", "", false},
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        uint8_t bytes[2];
        check(texts[i].rule, hex_read(str_from(texts[i].text), bytes, 2) == texts[i].read);
        if (texts[i].read)
            check("the bytes", bytes[0] == 0 && bytes[1] == 0xAF);
    }
}

static void a_guid_is_read_in_either_case(void **state)
{
    static const struct {
        const char *rule, *text;
        bool valid;
    } texts[] = {
        {"lower case", "00112233-4455-6677-8899-aabbccddeeff", true},
        {"upper case", "00112233-4455-6677-8899-AABBCCDDEEFF", true},
        {"no dashes", "00112233445566778899aabbccddeeff", false},
        {"a dash elsewhere", "0011223-34455-6677-8899-aabbccddeeff", false},
        {"no digit", "00112233-4455-6677-8899-aabbccddeefg", false},
        {"too short", "00112233-4455-6677-8899-aabbccddeef", false},
        {"too long", "00112233-4455-6677-8899-aabbccddeeff0", false},
        {"empty", "", false},
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        uint8_t guid[GUID_SIZE] = {0};
        char text[GUID_TEXT + 1];
        bool read = guid_read(str_from(texts[i].text), guid);
        check(texts[i].rule, read == texts[i].valid);
        guid_print(guid, text);
        if (read)
            check_str(texts[i].rule, str_from(text), STR("00112233-4455-6677-8899-aabbccddeeff"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64),           cmocka_unit_test(base64_returns_every_byte),
        cmocka_unit_test(base64_is_strict), cmocka_unit_test(hex),
        cmocka_unit_test(hex_has_one_text), cmocka_unit_test(a_guid_is_read_in_either_case),
        cmocka_unit_test(percent_decoding), cmocka_unit_test(percent_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
