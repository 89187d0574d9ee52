#include "model/quota.h"
#include "base/json.h"
#include "model/fault.h"
#include <assert.h>

enum { TIER_COLUMNS = QUOTA_TIERS - 1, METHOD_STEP = 4096 };

/* "The higher of a and b times the units", as the page writes them. Where one is 0 the other rules. */
struct allowance {
    uint32_t at_least, per_unit;
};

#define SECOND(n) ((n)*60)

/* Per minute, in the order F1, S1, S2, S3. */
static const struct allowance rates[QUOTA_CLASSES][TIER_COLUMNS] = {
    [QUOTA_REGISTRY] = {{0, 100}, {0, 100}, {0, 100}, {0, 5000}},
    [QUOTA_CONNECTIONS] = {{SECOND(100), SECOND(12)},
                           {SECOND(100), SECOND(12)},
                           {0, SECOND(120)},
                           {0, SECOND(6000)}},
    [QUOTA_D2C] = {{SECOND(100), SECOND(12)},
                   {SECOND(100), SECOND(12)},
                   {0, SECOND(120)},
                   {0, SECOND(6000)}},
    [QUOTA_C2D_SENDS] = {{0, 100}, {0, 100}, {0, 100}, {0, 5000}},
    [QUOTA_C2D_RECEIVES] = {{0, 1000}, {0, 1000}, {0, 1000}, {0, 50000}},
    [QUOTA_UPLOADS] = {{0, 100}, {0, 100}, {0, 100}, {0, 5000}},
    /* 160 KB, 480 KB and 24 MB a second, in steps of 4 KB */
    [QUOTA_METHODS] = {{0, SECOND(40)}, {0, SECOND(40)}, {0, SECOND(120)}, {0, SECOND(6144)}},
    [QUOTA_QUERIES] = {{0, 20}, {0, 20}, {0, 20}, {0, 1000}},
    [QUOTA_TWIN_READS] = {{SECOND(100), 0},
                          {SECOND(100), 0},
                          {SECOND(100), SECOND(10)},
                          {0, SECOND(500)}},
    [QUOTA_TWIN_UPDATES] = {{SECOND(50), 0},
                            {SECOND(50), 0},
                            {SECOND(50), SECOND(5)},
                            {0, SECOND(250)}},
    [QUOTA_JOBS] = {{0, 100}, {0, 100}, {0, 100}, {0, 5000}},
    [QUOTA_JOB_DEVICES] = {{SECOND(10), 0},
                           {SECOND(10), 0},
                           {SECOND(10), SECOND(1)},
                           {0, SECOND(50)}},
    [QUOTA_CONFIGURATIONS] = {{0, 20}, {0, 20}, {0, 20}, {0, 20}},
};

static const struct {
    const char *name;
    uint32_t units_max, active_jobs;
    uint64_t per_day; /* and unit */
    size_t block;
    uint32_t counts[QUOTA_COUNTS];
} tiers[QUOTA_TIERS] = {
    [QUOTA_NONE] = {"none", 1, 0, 0, 4096, {100000000, 100, 10, 100}},
    [QUOTA_F1] = {"F1", 1, 1, 8000, 512, {500, 5, 1, 10}},
    [QUOTA_S1] = {"S1", 200, 1, 400000, 4096, {1000000, 100, 10, 100}},
    [QUOTA_S2] = {"S2", 200, 5, 6000000, 4096, {1000000, 100, 10, 100}},
    [QUOTA_S3] = {"S3", 10, 10, 300000000, 4096, {1000000, 100, 10, 100}},
};

const char *quota_tier_name(enum quota_tier tier)
{
    assert((unsigned)tier < QUOTA_TIERS);
    return tiers[tier].name;
}

bool quota_tier_read(struct str word, enum quota_tier *out)
{
    for (unsigned i = 0; i < QUOTA_TIERS; i++) {
        if (str_eq_nocase(word, str_from(tiers[i].name))) {
            *out = (enum quota_tier)i;
            return true;
        }
    }
    return false;
}

const char *quota_class_name(enum quota_class class)
{
    static const char *const names[QUOTA_CLASSES] = {
        [QUOTA_FREE] = "free",
        [QUOTA_REGISTRY] = "registry",
        [QUOTA_CONNECTIONS] = "deviceConnections",
        [QUOTA_D2C] = "deviceToCloudSends",
        [QUOTA_C2D_SENDS] = "cloudToDeviceSends",
        [QUOTA_C2D_RECEIVES] = "cloudToDeviceReceives",
        [QUOTA_UPLOADS] = "fileUploads",
        [QUOTA_METHODS] = "directMethods",
        [QUOTA_QUERIES] = "queries",
        [QUOTA_TWIN_READS] = "twinReads",
        [QUOTA_TWIN_UPDATES] = "twinUpdates",
        [QUOTA_JOBS] = "jobs",
        [QUOTA_JOB_DEVICES] = "jobDevices",
        [QUOTA_CONFIGURATIONS] = "configurations",
    };
    assert((unsigned)class < QUOTA_CLASSES);
    return names[class];
}

bool quota_class_of_devices(enum quota_class class)
{
    return class == QUOTA_REGISTRY || class == QUOTA_CONNECTIONS || class == QUOTA_D2C ||
           class == QUOTA_C2D_RECEIVES || class == QUOTA_UPLOADS || class == QUOTA_TWIN_READS ||
           class == QUOTA_TWIN_UPDATES;
}

uint32_t quota_units_max(enum quota_tier tier)
{
    assert((unsigned)tier < QUOTA_TIERS);
    return tiers[tier].units_max;
}

enum err quota_profile_check(struct quota_profile profile, struct why *why)
{
    uint32_t most = quota_units_max(profile.tier);
    if (profile.units >= 1 && profile.units <= most)
        return ERR_OK;
    return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, "units of profile %s: 1 to %u",
                     quota_tier_name(profile.tier), most);
}

uint64_t quota_per_minute(struct quota_profile profile, enum quota_class class)
{
    assert((unsigned)class < QUOTA_CLASSES);
    if (profile.tier == QUOTA_NONE)
        return 0;
    const struct allowance *rate = &rates[class][profile.tier - 1];
    uint64_t by_units = (uint64_t)rate->per_unit * profile.units;
    return by_units > rate->at_least ? by_units : rate->at_least;
}

uint64_t quota_per_day(struct quota_profile profile)
{
    return tiers[profile.tier].per_day * profile.units;
}

uint32_t quota_active_jobs(struct quota_profile profile)
{
    return tiers[profile.tier].active_jobs;
}

uint32_t quota_count_max(struct quota_profile profile, enum quota_count count)
{
    assert((unsigned)count < QUOTA_COUNTS);
    return tiers[profile.tier].counts[count];
}

static uint64_t started(size_t size, size_t block)
{
    return size <= block ? 1 : (size + block - 1) / block;
}

uint64_t quota_blocks(struct quota_profile profile, size_t size)
{
    return started(size, tiers[profile.tier].block);
}

uint64_t quota_method_steps(size_t size)
{
    return started(size, METHOD_STEP);
}

void quota_profile_put(struct buf *out, struct quota_profile profile)
{
    json_put_member_str(out, "profile", str_from(quota_tier_name(profile.tier)));
    json_put_member_i64(out, "units", profile.units);
}
