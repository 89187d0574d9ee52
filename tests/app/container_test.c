/* Where import and export jobs may go: nowhere but where the operator's options say. */
#include "../base/check.h"
#include "app/container.h"
#include "model/fault.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct container_rules web = {
    .urls = {"https://Store.example/box/", "http://127.0.0.1:8080", "https://[::1]/a"},
    .url_count = 3,
};

static const struct {
    const char *rule, *uri;
    bool allowed;
} addresses[] = {
    {"what a rule says", "https://store.example/box", true},
    {"below it, with a signature", "https://store.example/box/in?sv=1&sig=a%2Fb", true},
    {"hosts have no case", "https://STORE.example/box/in", true},
    {"the usual port", "https://store.example:443/box", true},
    {"another port", "https://store.example:444/box", false},
    {"another scheme", "http://store.example/box", false},
    {"a name that begins so", "https://store.example/boxes", false},
    {"a host that begins so", "https://store.example.org/box", false},
    {"a host that ends so", "https://evil-store.example/box", false},
    {"above it", "https://store.example/", false},
    {"dots that lead out", "https://store.example/box/../x", false},
    {"dots that stay", "https://store.example/box/a/../b", true},
    {"escaped dots", "https://store.example/box/%2E%2e/x", false},
    {"an escaped slash", "https://store.example/box/..%2Fx", false},
    {"a user", "https://box@store.example/box", false},
    {"a user that looks like the host", "https://store.example@evil.example/box", false},
    {"a fragment", "https://store.example/box#x", false},
    {"a whole host is allowed", "http://127.0.0.1:8080/any/where", true},
    {"the same address, spelt otherwise", "http://127.1:8080/", true},
    {"a rule without its port", "http://127.0.0.1/", false},
    {"IPv6", "https://[::1]/a/b", true},
    {"another protocol", "gopher://127.0.0.1:8080/", false},
    {"no protocol", "store.example/box", false},
    {"nothing", "", false},
    {"folders are another matter", "/tmp", false},
};

static void addresses_follow_the_rules(void **state)
{
    for (size_t i = 0; i < COUNT(addresses); i++) {
        struct why why = {0};
        enum err err = container_check(&web, str_from(addresses[i].uri), &why);
        check_int(addresses[i].rule, err, addresses[i].allowed ? ERR_OK : ERR_BAD_INPUT);
        if (err != ERR_OK)
            check_int(addresses[i].rule, why.code, FAULT_BLOB_CONTAINER_VALIDATION);
        check("a signature is told nobody", !strstr(why.text, "sig="));
    }
    struct why why;
    check_int("a zero byte", container_check(&web, str_of("http://127.0.0.1:8080/\0x", 24), &why),
              ERR_BAD_INPUT);
}

static void a_rule_is_a_beginning(void **state)
{
    static const struct {
        const char *rule;
        bool valid;
    } table[] = {
        {"https://store.example", true},
        {"https://store.example/a/b", true},
        {"http://10.0.0.1:8080/", true},
        {"store.example", false},
        {"ftp://store.example", false},
        {"https://store.example/?sig=1", false},
        {"https://u@store.example", false},
        {"https://store.example/#a", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        check_int(table[i].rule, container_url_valid(table[i].rule), table[i].valid);
}

static void folders_lie_below_the_allowed_one(void **state)
{
    char base[] = "/tmp/muster-container-XXXXXX", path[128], link[128];
    assert_non_null(mkdtemp(base));
    static const char *const folders[] = {"in", "in/deep", "in2", "out"};
    for (size_t i = 0; i < COUNT(folders); i++) {
        snprintf(path, sizeof path, "%s/%s", base, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    snprintf(path, sizeof path, "%s/out", base);
    snprintf(link, sizeof link, "%s/in/link", base);
    assert_int_equal(symlink(path, link), 0);
    static const struct {
        const char *rule, *before, *below;
        bool allowed;
    } table[] = {
        {"itself", "", "/in", true},
        {"below it", "", "/in/deep", true},
        {"as a file's address", "file://", "/in/deep/", true},
        {"dots that stay", "", "/out/../in", true},
        {"dots that lead out", "", "/in/../out", false},
        {"a link that leads out", "", "/in/link", false},
        {"one that begins so", "", "/in2", false},
        {"one that is not there", "", "/in/none", false},
        {"another machine's", "file://host", "/in", false},
    };
    snprintf(path, sizeof path, "%s/in", base);
    const struct container_rules rules = {.dir = path};
    for (size_t i = 0; i < COUNT(table); i++) {
        char uri[256];
        struct why why;
        snprintf(uri, sizeof uri, "%s%s%s", table[i].before, base, table[i].below);
        check_int(table[i].rule, container_check(&rules, str_from(uri), &why),
                  table[i].allowed ? ERR_OK : ERR_BAD_INPUT);
        check_int("without the option", container_check(&web, str_from(uri), &why), ERR_BAD_INPUT);
    }
    unlink(link);
    for (size_t i = COUNT(folders); i > 0; i--) {
        snprintf(path, sizeof path, "%s/%s", base, folders[i - 1]);
        rmdir(path);
    }
    rmdir(base);
}

static bool go_on(void *arg)
{
    return true;
}

/* What a killed hub leaves has keys in it. What another hub is writing is locked. */
static void what_a_killed_hub_left_goes_and_nothing_else(void **state)
{
    char base[] = "/tmp/muster-container-XXXXXX", path[128];
    assert_non_null(mkdtemp(base));
    static const struct {
        const char *rule, *name;
        bool locked, stays;
    } table[] = {
        {"unfinished", ".devices.txt.0a1b2c3d.partial", false, false},
        {"unfinished, with the number of a process", ".devices.txt.4711.partial", false, false},
        {"another hub's, which lives", ".devices.txt.00000001.partial", true, true},
        {"of another blob", ".modules.txt.0a1b2c3d.partial", false, true},
        {"of a blob whose name begins so", ".devices.txt.old.0a1b2c3d.partial", false, true},
        {"no digits", ".devices.txt..partial", false, true},
        {"other letters", ".devices.txt.mine.partial", false, true},
        {"a short name", ".devices.txt.partial", false, true},
        {"not hidden", "devices.txt.0a1b2c3d.partial", false, true},
        {"an end that is not ours", ".devices.txt.0a1b2c3d.part", false, true},
    };
    int locks[COUNT(table)];
    for (size_t i = 0; i < COUNT(table); i++) {
        snprintf(path, sizeof path, "%s/%s", base, table[i].name);
        locks[i] = open(path, O_RDWR | O_CREAT, 0600);
        assert_true(locks[i] >= 0);
        if (table[i].locked)
            assert_int_equal(flock(locks[i], LOCK_EX), 0);
    }
    snprintf(path, sizeof path, "%s/.devices.txt.0f.partial", base);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    snprintf(path, sizeof path, "%s/.devices.txt.1f.partial", base);
    assert_int_equal(mkdir(path, 0700), 0);

    FILE *spool = tmpfile();
    fputs("a line\n", spool);
    rewind(spool);
    const struct container_rules rules = {.dir = base};
    const struct container_run run = {.go_on = go_on};
    struct why why;
    struct stat about;
    assert_int_equal(
        container_put(&rules, str_from(base), STR("devices.txt"), fileno(spool), &run, &why),
        ERR_OK);
    fclose(spool);
    for (size_t i = 0; i < COUNT(table); i++) {
        snprintf(path, sizeof path, "%s/%s", base, table[i].name);
        check(table[i].rule, (access(path, F_OK) == 0) == table[i].stays);
        close(locks[i]);
    }
    snprintf(path, sizeof path, "%s/.devices.txt.0f.partial", base);
    check("a link", lstat(path, &about) == 0);
    snprintf(path, sizeof path, "%s/.devices.txt.1f.partial", base);
    check("a folder", lstat(path, &about) == 0);
    snprintf(path, sizeof path, "%s/devices.txt", base);
    check("the blob is whole, for its owner only",
          stat(path, &about) == 0 && about.st_size == 7 && (about.st_mode & 0777) == 0600);
    struct buf command = {0};
    buf_printf(&command, "rm -rf %s", base);
    buf_put_char(&command, '\0');
    assert_int_equal(system(command.ptr), 0);
    buf_done(&command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_follow_the_rules),
        cmocka_unit_test(a_rule_is_a_beginning),
        cmocka_unit_test(folders_lie_below_the_allowed_one),
        cmocka_unit_test(what_a_killed_hub_left_goes_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
