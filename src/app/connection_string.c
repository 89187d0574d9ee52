#include "app/app.h"
#include "base/codec.h"
#include "store/store.h"
#include "wire/connstr.h"
#include <getopt.h>
#include <stdio.h>

/* ---- reading the folder ---- */

static struct str host_of(const char *dir, struct arena *mem)
{
    char path[APP_PATH_MAX], line[256];
    snprintf(path, sizeof(path), "%s/%s", dir, APP_HOST_FILE);
    FILE *file = fopen(path, "re");
    struct str host = STR(APP_DEFAULT_HOST);
    if (file && fgets(line, sizeof(line), file)) {
        size_t length = strcspn(line, "\n");
        if (length > 0)
            host = str_copy(mem, str_of(line, length));
    }
    if (file)
        fclose(file);
    return host;
}

static enum err policy_key(struct store_reader *reader, struct str name, struct arena *mem,
                           struct connstr *out, struct why *why)
{
    struct policy *policies;
    size_t count;
    enum err err = store_read_policies(reader, mem, &policies, &count, why);
    if (err != ERR_OK)
        return err;
    const struct policy *policy = policy_find(policies, count, name);
    if (!policy)
        return err_fail(ERR_NOT_FOUND, why, "there is no policy '%.*s'", STR_ARG(name));
    out->policy = policy->name;
    out->key = base64_encode(mem, policy->primary_key);
    return ERR_OK;
}

static enum err identity_key(struct store_reader *reader, struct str device, struct str module,
                             struct arena *mem, struct connstr *out, struct why *why)
{
    struct store_want want = {.device_id = device, .module_id = module.ptr ? module : STR("")};
    enum err err = store_find(reader, &want, 1, mem, why);
    if (err != ERR_OK)
        return err;
    if (!want.found && module.ptr)
        return err_fail(ERR_NOT_FOUND, why, "there is no module '%.*s' on device '%.*s'",
                        STR_ARG(module), STR_ARG(device));
    if (!want.found)
        return err_fail(ERR_NOT_FOUND, why, "there is no device '%.*s'", STR_ARG(device));
    if (want.found->id.auth != AUTH_SAS)
        return err_fail(ERR_NOT_FOUND, why, "%s '%.*s' has no symmetric key",
                        module.ptr ? "module" : "device", STR_ARG(module.ptr ? module : device));
    out->device = want.found->id.device_id;
    out->module = module.ptr ? want.found->id.module_id : STR_NONE;
    out->key = want.found->id.primary_key;
    return ERR_OK;
}

enum err connection_string_read(const char *dir, struct connection_of of, struct arena *mem,
                                struct str *out, struct why *why)
{
    struct store *store;
    enum err err =
        store_open(&(struct store_options){.dir = dir, .clock = clock_system(), .read_only = true},
                   &store, why);
    if (err == ERR_NOT_FOUND)
        return err_fail(ERR_NOT_FOUND, why,
                        "there is no hub in '%s': start one with muster serve --data %s", dir, dir);
    if (err != ERR_OK)
        return err;
    struct connstr parts = {.host = host_of(dir, mem),
                            .gateway = STR_NONE,
                            .policy = STR_NONE,
                            .device = STR_NONE,
                            .module = STR_NONE,
                            .token = STR_NONE};
    err = of.device.ptr
              ? identity_key(store_main(store), of.device, of.module, mem, &parts, why)
              : policy_key(store_main(store), of.policy.ptr ? of.policy : STR("iothubowner"), mem,
                           &parts, why);
    if (err == ERR_OK) {
        struct buf text = {0};
        connstr_put(&text, &parts);
        *out = str_copy(mem, buf_str(&text));
        buf_done(&text);
    }
    store_close(store);
    return err;
}

/* ---- the command ---- */

static void help(FILE *out)
{
    fprintf(
        out,
        "usage: muster connection-string --data DIR [--policy NAME | --device ID [--module ID]]\n\n"
        "Prints the connection string that SDKs take. It holds a key: treat it as a secret.\n\n"
        "  --data DIR      the folder of the hub (it may be running)\n"
        "  --policy NAME   iothubowner (default), service, device, registryRead, "
        "registryReadWrite\n"
        "  --device ID     of one device, with its own primary key\n"
        "  --module ID     of a module of that device\n");
}

int cmd_connection_string(int argc, char **argv)
{
    static const struct option options[] = {
        {"data", required_argument, NULL, 'd'},   {"policy", required_argument, NULL, 'p'},
        {"device", required_argument, NULL, 'i'}, {"module", required_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    const char *dir = NULL;
    struct connection_of of = {STR_NONE, STR_NONE, STR_NONE};
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'd')
            dir = optarg;
        else if (c == 'p')
            of.policy = str_from(optarg);
        else if (c == 'i')
            of.device = str_from(optarg);
        else if (c == 'm')
            of.module = str_from(optarg);
        else {
            help(c == 'h' ? stdout : stderr);
            return c == 'h' ? EXIT_OK : EXIT_USAGE;
        }
    }
    if (!dir || optind < argc || (of.policy.ptr && of.device.ptr) ||
        (of.module.ptr && !of.device.ptr)) {
        help(stderr);
        return EXIT_USAGE;
    }
    struct arena mem = {0};
    struct str text;
    struct why why;
    enum err err = connection_string_read(dir, of, &mem, &text, &why);
    if (err == ERR_OK)
        printf("%.*s\n", STR_ARG(text));
    else
        fprintf(stderr, "muster connection-string: %s\n", why.text);
    arena_done(&mem);
    return err == ERR_OK ? EXIT_OK : err == ERR_NOT_FOUND ? EXIT_FAILED : EXIT_DATA;
}
