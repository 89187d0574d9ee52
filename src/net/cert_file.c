#include "net/cert_file.h"
#include "net/cert.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <unistd.h>

enum { READ_SIZE = 4096 };

const char *cert_path(struct arena *mem, const char *dir, const char *name)
{
    return str_format(mem, "%s/%s", dir, name).ptr;
}

/* ---- reading ---- */

enum err cert_file_read(const char *dir, const char *name, struct buf *out, struct why *why)
{
    struct arena mem = {0};
    int fd = open(cert_path(&mem, dir, name), O_RDONLY | O_CLOEXEC);
    arena_done(&mem);
    if (fd < 0 && errno == ENOENT)
        return err_fail(ERR_NOT_FOUND, why, "%s/%s does not exist", dir, name);
    if (fd < 0)
        return err_fail(ERR_OUTSIDE, why, "cannot read %s/%s: %s", dir, name, strerror(errno));
    ssize_t n;
    do {
        n = read(fd, buf_room(out, READ_SIZE), READ_SIZE);
        if (n > 0)
            out->len += (size_t)n;
    } while ((n > 0 && out->len <= CERT_FILE_MAX) || (n < 0 && errno == EINTR));
    int error = errno;
    close(fd);
    if (n < 0)
        return err_fail(ERR_OUTSIDE, why, "cannot read %s/%s: %s", dir, name, strerror(error));
    if (out->len > CERT_FILE_MAX)
        return err_fail(ERR_CORRUPT, why, "%s/%s is too large for a certificate or key", dir, name);
    return ERR_OK;
}

/* ---- PEM ---- */

size_t cert_pem_certs(struct str pem, X509 **certs, size_t cap)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    size_t count = 0;
    while (bio && count < cap) {
        certs[count] = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!certs[count])
            break;
        count++;
    }
    BIO_free(bio);
    return count;
}

/* A password prompt would hang a service. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    return 0;
}

EVP_PKEY *cert_pem_key(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static bool put_bio(struct buf *out, BIO *bio, bool written)
{
    char *text = NULL;
    long len = written ? BIO_get_mem_data(bio, &text) : 0;
    if (len > 0)
        buf_put(out, str_of(text, (size_t)len));
    BIO_free(bio); /* overwrites what it held */
    return len > 0;
}

bool cert_put_cert(struct buf *out, X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return put_bio(out, bio, bio && PEM_write_bio_X509(bio, cert) == 1);
}

bool cert_put_key(struct buf *out, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return put_bio(out, bio,
                   bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
}

void cert_wipe(struct buf *secret)
{
    if (secret->ptr)
        OPENSSL_cleanse(secret->ptr, secret->cap);
    buf_done(secret);
}
