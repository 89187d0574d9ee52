/* Secrets and signatures of the webhook: those of Standard Webhooks. */
#include "app/webhook.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *rule, *text, *secret; /* NULL: refused */
} secrets[] = {
    {"the bytes themselves", "0123456789abcdefghijklmn", "0123456789abcdefghijklmn"},
    {"line ends around them do not count", "\n0123456789abcdefghijklmn\r\n",
     "0123456789abcdefghijklmn"},
    {"base64 behind its prefix", "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u\n",
     "0123456789abcdefghijklmn"},
    {"base64 without it is text", "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u",
     "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"},
    {"no base64", "whsec_0123456789abcdefghij!!!!", NULL},
    {"too short", "0123456789abcdefghijklm", NULL},
    {"nothing", "\n", NULL},
};

static void secrets_follow_the_table(void **state)
{
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        struct arena mem = {0};
        struct why why;
        struct str secret;
        enum err err = webhook_secret(str_from(secrets[i].text), &mem, &secret, &why);
        bool right = secrets[i].secret
                         ? err == ERR_OK && str_eq(secret, str_from(secrets[i].secret))
                         : err == ERR_BAD_INPUT;
        if (!right)
            fail_msg("%s", secrets[i].rule);
        arena_done(&mem);
    }
}

/* The example of the Standard Webhooks libraries. */
static void a_signature_is_that_of_the_standard(void **state)
{
    struct arena mem = {0};
    struct why why;
    struct str secret;
    assert_int_equal(
        webhook_secret(STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &mem, &secret, &why), ERR_OK);
    struct str signature = webhook_signature(secret, STR("msg_p5jXN8AQM9LWM0D4loKWxJek"),
                                             1614265330, STR("{\"test\": 2432232314}"), &mem);
    assert_true(str_eq(signature, STR("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")));
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_follow_the_table),
        cmocka_unit_test(a_signature_is_that_of_the_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
