/* Tokens: spec/query-language.md 2.1. */
#include "doc.h"
#include "query/token.h"

/* Tokens as one line: names as themselves, keywords <AS>, 'texts', #numbers, !problems. */
static void print(struct buf *out, const char *text, struct arena *mem)
{
    static const char *const symbols[] = {
        [TOKEN_EQUAL] = "=",       [TOKEN_UNEQUAL] = "!=", [TOKEN_LESS] = "<",
        [TOKEN_LESS_EQUAL] = "<=", [TOKEN_GREATER] = ">",  [TOKEN_GREATER_EQUAL] = ">=",
        [TOKEN_OPEN] = "(",        [TOKEN_CLOSE] = ")",    [TOKEN_LIST_OPEN] = "[",
        [TOKEN_LIST_CLOSE] = "]",  [TOKEN_COMMA] = ",",    [TOKEN_DOT] = ".",
        [TOKEN_STAR] = "*",
    };
    struct lexer lexer;
    lexer_init(&lexer, str_from(text), mem);
    for (;;) {
        struct token t = lexer_next(&lexer);
        if (t.kind == TOKEN_END)
            return;
        if (out->len)
            buf_put_char(out, ' ');
        if (t.kind == TOKEN_BAD) {
            buf_printf(out, "!%zu", t.at);
            return;
        }
        if (t.kind == TOKEN_NAME)
            buf_put(out, t.text);
        else if (t.kind == TOKEN_KEYWORD)
            buf_printf(out, "<%.*s>", STR_ARG(t.raw));
        else if (t.kind == TOKEN_TEXT)
            buf_printf(out, "'%.*s'", STR_ARG(t.text));
        else if (t.kind == TOKEN_NUMBER)
            buf_printf(out, "#%.17g", t.number);
        else
            buf_put(out, str_from(symbols[t.kind]));
    }
}

static const struct {
    const char *rule, *text, *tokens;
} cuts[] = {
    {"nothing gives nothing", "", ""},
    {"space, tab, return and line feed separate", " a\tb\r\nc ", "a b c"},
    {"a comment separates, anywhere", "a/* x = 'y */b/**/c", "a b c"},
    {"a slash alone belongs to the name", "a/b", "a/b"},
    {"an open comment is a fault where it begins", "a /* b", "a !2"},

    {"signs and letters outside ASCII stand inside names", "my-key a+b%c&d@e|f~g^h Zürich",
     "my-key a+b%c&d@e|f~g^h Zürich"},
    {"a digit may stand inside a name", "k9 x509Thumbprint", "k9 x509Thumbprint"},
    {"a name may begin with a dollar", "$version.$metadata", "$version . $metadata"},
    {"a dollar alone is a fault", "a.$ = 1", "a . !2"},
    {"a dollar ends a name", "a$b", "a $b"},
    {"a name that begins with a digit is a fault", "tags.1st", "tags . !5"},
    {"characters with a meaning elsewhere are faults", "a;b", "a !1"},
    {"so is a colon", "a:b", "a !1"},
    {"so is an exclamation mark alone", "a ! b", "a !2"},

    {"keywords in any case", "select FROM Where gRoUp bY", "<select> <FROM> <Where> <gRoUp> <bY>"},
    {"literals are keywords", "true FALSE null Undefined", "<true> <FALSE> <null> <Undefined>"},
    {"a word that contains a keyword is a name", "selected order ands", "selected order ands"},
    {"an escaped keyword is a name", "[[group]]", "group"},
    {"a keyword with a dollar is a name", "$from", "$from"},

    {"an escaped name holds blanks and dots", "[[a b.c]].[['x']]", "a b.c . 'x'"},
    {"an empty escaped name is a fault", "[[]]", "!0"},
    {"an open escaped name is a fault", "a.[[b", "a . !2"},
    {"no bracket inside an escaped name", "[[a[b]]", "!0"},
    {"no line break inside an escaped name", "[[a\nb]]", "!0"},
    {"one closing bracket is not enough", "[[a] ]", "!0"},

    {"whole numbers", "0 7 007 42", "#0 #7 #7 #42"},
    {"decimal numbers", "1.5 .5 -.5 -1.25", "#1.5 #0.5 #-0.5 #-1.25"},
    {"exponents", "1e3 1E+3 25e-1 .5e1", "#1000 #1000 #2.5 #5"},
    {"hexadecimal numbers", "0xFF 0X10 0xdeadBEEF", "#255 #16 #3735928559"},
    {"the limits of twin integers are exact", "4503599627370495 -4503599627370496",
     "#4503599627370495 #-4503599627370496"},
    {"a minus and a digit begin a number", "a=-5", "a = #-5"},
    {"a minus inside a name belongs to it", "a-5", "a-5"},
    {"a dot behind a name separates", "a.b.c", "a . b . c"},
    {"so a digit behind it begins no fraction", "a.5", "a . #5"},
    {"behind a blank it begins a number", "a .5", "a #0.5"},
    {"a dot behind an operator begins a number", "a=.5", "a = #0.5"},
    {"a number ends where a name would begin", "5apples", "!0"},
    {"an exponent needs digits", "1e", "!0"},
    {"hexadecimal digits are needed", "0x", "!0"},
    {"and no others", "0xFG", "!0"},
    {"a number beyond the doubles is a fault", "1e999", "!0"},
    {"a number too small for a double is zero", "1e-999", "#0"},
    {"a dot behind a number stands alone", "5.", "#5 ."},

    {"quotes of both kinds", "'a' \"b\"", "'a' 'b'"},
    {"each may hold the other", "'say \"hi\"' \"it's\"", "'say \"hi\"' 'it's'"},
    {"an empty text", "''", "''"},
    {"the escapes", "'\\'\\\"\\\\'", "''\"\\'"},
    {"a code unit", "'Z\\u00fcrich \\u20AC'", "'Zürich €'"},
    {"a surrogate pair is one character", "'\\uD83D\\ude00'", "'😀'"},
    {"half a pair is a fault, at the escape", "'a\\ud83d'", "!2"},
    {"the second half alone is one too", "'\\ude00'", "!1"},
    {"a pair needs its second half", "'\\ud83d\\u0041'", "!1"},
    {"other escapes are faults", "'a\\n'", "!2"},
    {"too few digits are a fault", "'\\u12'", "!1"},
    {"an open text is a fault where it begins", "a = 'b", "a = !4"},
    {"an escaped quote does not close", "'b\\'", "!0"},
    {"a doubled quote is two texts", "'it''s'", "'it' 's'"},
    {"a text may span lines", "'a\nb'", "'a\nb'"},

    {"operators, longest first", "= != <> < <= > >=", "= != != < <= > >="},
    {"operators need no blanks", "a<=1", "a <= #1"},
    {"two equal signs are two tokens", "a==1", "a = = #1"},
    {"brackets, comma, star", "( [ ] ) , *", "( [ ] ) , *"},
};

static void cuts_as_the_rules_say(void **state)
{
    for (size_t i = 0; i < COUNT(cuts); i++) {
        struct arena mem = {0};
        struct buf out = {0};
        print(&out, cuts[i].text, &mem);
        check_str(cuts[i].rule, buf_str(&out), str_from(cuts[i].tokens));
        buf_done(&out);
        arena_done(&mem);
    }
}

/* A guard behind each prefix: the sanitizer sees any read beyond the end. */
static void never_reads_beyond_the_end(void **state)
{
    for (size_t i = 0; i < COUNT(cuts); i++)
        for (size_t len = 0; len <= strlen(cuts[i].text); len++) {
            struct arena mem = {0};
            char *tight = memcpy(xmalloc(len ? len : 1), cuts[i].text, len);
            struct lexer lexer;
            lexer_init(&lexer, str_of(tight, len), &mem);
            size_t steps = 0;
            for (;;) {
                struct token t = lexer_next(&lexer);
                if (t.kind == TOKEN_END || t.kind == TOKEN_BAD)
                    break;
                check(cuts[i].rule, t.raw.len > 0 && ++steps <= len);
            }
            free(tight);
            arena_done(&mem);
        }
}

static void the_end_comes_again_and_again(void **state)
{
    struct arena mem = {0};
    struct lexer lexer;
    lexer_init(&lexer, STR("a"), &mem);
    lexer_next(&lexer);
    assert_int_equal(lexer_next(&lexer).kind, TOKEN_END);
    assert_int_equal(lexer_next(&lexer).kind, TOKEN_END);
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_as_the_rules_say),
        cmocka_unit_test(never_reads_beyond_the_end),
        cmocka_unit_test(the_end_comes_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
