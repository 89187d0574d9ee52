/* fuzz_x509.c - certificates: what a device shows, and what an operator registers.
 *
 * The first byte says which. A chain is DER certificates, two bytes of length before each; all but the first are
 * trusted, too. Otherwise the rest is the text of a CA; one that is taken is described the same from its DER, and
 * its PEM is read again. */
#include "base/arena.h"
#include "wire/x509.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S INT64_C(1714550400)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_why(enum err err, const struct why *why)
{
    assert(err == ERR_BAD_INPUT && why->text[0] != '\0' && str_is_utf8(str_from(why->text)));
}

static void read_chain(struct str rest, struct arena *mem)
{
    struct str chain[X509_CHAIN_MAX];
    size_t count = 0;
    while (rest.len > 2 && count < X509_CHAIN_MAX) {
        size_t size = (size_t)(unsigned char)rest.ptr[0] << 8 | (unsigned char)rest.ptr[1];
        rest = str_skip(rest, 2);
        chain[count++] = str_take(rest, size);
        rest = str_skip(rest, size < rest.len ? size : rest.len);
    }
    if (count == 0)
        return;
    struct x509_trust *trust = x509_trust_create(chain + 1, count - 1);
    struct x509_device device;
    struct why why = {.text = ""};
    enum err err = x509_device_read(chain, count, trust, mem, &device, &why);
    if (err != ERR_OK) {
        check_why(err, &why);
    } else {
        assert(device.trusted == (device.distrust == NULL));
        assert(!device.name.ptr || device.name.len <= X509_COMMON_NAME_MAX);
        assert(!x509_device_has(&device, STR("")));
    }
    x509_trust_unref(trust);
}

static void read_ca(struct str text, struct arena *mem)
{
    struct x509_ca ca, same;
    struct why why = {.text = ""};
    enum err err = x509_ca_read(text, NOW_S, mem, &ca, &why);
    if (err != ERR_OK) {
        check_why(err, &why);
        return;
    }
    assert(x509_ca_describe(ca.der, mem, &same, &why) == ERR_OK);
    assert(str_eq(ca.der, same.der) && str_eq(ca.subject, same.subject));
    assert(memcmp(ca.sha256, same.sha256, sizeof(ca.sha256)) == 0);
    assert(x509_ca_read(x509_pem(ca.der, mem), NOW_S, mem, &same, &why) == ERR_OK);
    assert(str_eq(ca.der, same.der));
    err = x509_prove_possession(ca.der, STR("code"), text, NOW_S, &why);
    if (err != ERR_OK)
        check_why(err, &why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena mem;
    if (size == 0)
        return 0;
    struct str rest = str_of(data + 1, size - 1);
    if (data[0] & 1)
        read_chain(rest, &mem);
    else
        read_ca(rest, &mem);
    arena_reset(&mem);
    return 0;
}
