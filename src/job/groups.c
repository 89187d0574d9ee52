#include "job/run.h"

void groups_add(struct run_groups *groups, const roaring_bitmap_t *targets)
{
    size_t more = (size_t)roaring_bitmap_get_cardinality(targets);
    uint32_t group = (uint32_t)groups->count++;
    groups->groups = xrealloc(groups->groups, groups->count * sizeof(*groups->groups));
    groups->groups[group] = (struct run_group){.held = roaring_bitmap_create()};
    if (groups->member_count + more > groups->member_cap) {
        groups->member_cap = (groups->member_count + more) * 2;
        groups->members = xrealloc(groups->members, groups->member_cap * sizeof(*groups->members));
    }
    roaring_uint32_iterator_t it;
    for (roaring_init_iterator(targets, &it); it.has_value; roaring_advance_uint32_iterator(&it))
        groups->members[groups->member_count++] = (struct group_member){it.current_value, group};
}

void groups_add_row(struct run_groups *groups, const struct job_group *row)
{
    roaring_bitmap_t *targets =
        roaring_bitmap_portable_deserialize_safe(row->targets.ptr, row->targets.len);
    if (!targets)
        return;
    groups_add(groups, targets);
    roaring_bitmap_free(targets);
}

static int by_number(const void *a, const void *b)
{
    const struct group_member *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

void groups_settle(struct run_groups *groups)
{
    if (groups->member_count > 0)
        qsort(groups->members, groups->member_count, sizeof(*groups->members), by_number);
}

struct run_group *groups_of(const struct run_groups *groups, uint32_t number)
{
    size_t low = 0, high = groups->member_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (groups->members[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == groups->member_count || groups->members[low].number != number)
        return NULL;
    return &groups->groups[groups->members[low].group];
}

void groups_done(struct run_groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        roaring_bitmap_free(groups->groups[i].held);
    free(groups->groups);
    free(groups->members);
    *groups = (struct run_groups){0};
}
