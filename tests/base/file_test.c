#include "base/file.h"
#include "check.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/muster-file-XXXXXX";
static char path[64], beside[64];

static void kept(const char *rule, const char *text)
{
    char seen[64] = "";
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(seen, sizeof seen, file));
    fclose(file);
    check_str(rule, str_from(seen), str_from(text));
}

static void a_file_is_made_and_replaced_for_its_owner_only(void **state)
{
    struct stat about;
    struct why why;
    assert_int_equal(file_replace(dir, "host", STR("one"), &why), ERR_OK);
    kept("made", "one");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(file_replace(dir, "host", STR("two"), &why), ERR_OK);
    kept("replaced", "two");
    assert_int_equal(stat(path, &about), 0);
    check_int("mode", about.st_mode & 0777, 0600);
    check("nothing stays beside it", access(beside, F_OK) != 0);
}

static void what_a_crash_left_beside_it_is_no_hindrance(void **state)
{
    struct why why;
    close(open(beside, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(file_replace(dir, "host", STR("three"), &why), ERR_OK);
    kept("replaced", "three");
}

static void what_cannot_be_written_is_told_and_the_old_file_stays(void **state)
{
    struct why why;
    assert_int_equal(mkdir(beside, 0700), 0);
    assert_int_equal(file_replace(dir, "host", STR("four"), &why), ERR_OUTSIDE);
    check("the file is named", strstr(why.text, "/host") != NULL);
    kept("as it was", "three");
    rmdir(beside);
    assert_int_equal(file_replace("/nonexistent", "host", STR("four"), &why), ERR_OUTSIDE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_made_and_replaced_for_its_owner_only),
        cmocka_unit_test(what_a_crash_left_beside_it_is_no_hindrance),
        cmocka_unit_test(what_cannot_be_written_is_told_and_the_old_file_stays),
    };
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/host", dir);
    snprintf(beside, sizeof beside, "%s/host.new", dir);
    int failed = cmocka_run_group_tests_name("file", tests, NULL, NULL);
    unlink(path);
    rmdir(dir);
    return failed;
}
