/* What `muster job preview` tells people. */
#include "../base/check.h"
#include "app/job_cli.h"

enum { WIDE = 1000 };

static const struct {
    const char *rule, *preview, *text;
    size_t columns;
} previews[] = {
    {"nobody", "{'targets':0,'fleet':7,'connected':0,'devicesNotFound':0,'sample':[]}",
     "method reboot: no device is meant\n", WIDE},
    {"some",
     "{'targets':1204,'fleet':20000,'connected':987,'devicesNotFound':0,'sample':['a','b']}",
     "method reboot for 1,204 of 20,000 devices, 987 of them connected now\n"
     "devices    a, b and 1,202 more\n",
     WIDE},
    {"all of a list but one",
     "{'targets':1,'fleet':2,'connected':0,'devicesNotFound':1,'sample':['a']}",
     "method reboot for 1 of 2 devices, 0 of them connected now\n"
     "not found  1 id is that of no device\ndevices    a\n",
     WIDE},
    {"a pace, and a guard that says no",
     "{'targets':0,'fleet':0,'guard':'the job is for 2 devices','expectedDurationInSeconds':90.0}",
     "method reboot: no device is meant\nrefused    the job is for 2 devices\n"
     "takes      1 min 30 s at the policy's pace, if nothing else holds it up\n",
     WIDE},
    {"other jobs, those that run and those that wait",
     "{'targets':0,'fleet':0,'unfinishedJobs':[{'jobId':'x','status':'running','devices':12},"
     "{'jobId':'y','status':'scheduled','devices':3,'estimate':true}]}",
     "method reboot: no device is meant\nother jobs x (running) is for 12 of them\n"
     "           y (scheduled) will be for about 3 of them\n",
     WIDE},
    {"a twin: only what becomes different, and what would be refused",
     "{'targets':0,'fleet':0,'twinPatch':[{'deviceId':'a','before':{'tags':{'t':1},'desired':{}},"
     "'after':{'tags':{'t':1},'desired':{'i':5}}},"
     "{'deviceId':'b','before':{'tags':{},'desired':{}},'after':{'tags':{},'desired':{}}},"
     "{'deviceId':'c','before':{'tags':{},'desired':{}},'error':'too deep'}]}",
     "method reboot: no device is meant\ntwin of    a\n  desired  {}\n  becomes  {\"i\":5}\n"
     "twin of    b\n  stays as it is\ntwin of    c\n  refused  too deep\n",
     WIDE},
    {"nothing is wider than the screen, and nothing that controls it comes through",
     "{'targets':0,'fleet':0,'guard':'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',"
     "'unfinishedJobs':[{'jobId':'\\u001b[2J','status':'running','devices':1}]}",
     "method reboot: no device is meant\nrefused    aaaaaaaaaaaaaaaaaaaaaaaaa...\n"
     "other jobs .[2J (running) is for 1 o...\n",
     40},
};

static void a_preview_is_told_in_few_lines(void **state)
{
    for (size_t i = 0; i < COUNT(previews); i++) {
        struct arena mem = {0};
        struct buf out = {0};
        yyjson_val *root;
        struct why why;
        char json[1024];
        size_t len = 0;
        for (const char *c = previews[i].preview; *c; c++)
            json[len++] = *c == '\'' ? '"' : *c;
        const struct json_limits limits = {.size_max = sizeof json, .depth_max = 8};
        check_int(previews[i].rule, json_read(str_of(json, len), &limits, &mem, &root, &why),
                  ERR_OK);
        job_preview_print(&out, root, STR("method reboot"), previews[i].columns);
        check_str(previews[i].rule, buf_str(&out), str_from(previews[i].text));
        buf_done(&out);
        arena_done(&mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_preview_is_told_in_few_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
