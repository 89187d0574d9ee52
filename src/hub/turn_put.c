#include "hub/router.h"
#include "hub/turn_set.h"

/* ---- rows ---- */

#define TURN_PUT(name, type, list)                                                                 \
    void name(struct hub_turn *turn, type row)                                                     \
    {                                                                                              \
        *TURN_ADD(turn, list, type) = row;                                                         \
        turn->set->change_count++;                                                                 \
    }
TURN_PUT(turn_put_slice, struct job_slice, slices)
TURN_PUT(turn_put_cursor, struct job_cursor, cursors)
TURN_PUT(turn_put_chunk, struct job_chunk, chunks)
TURN_PUT(turn_put_entry, struct job_entry, entries)
TURN_PUT(turn_put_outcome, struct job_outcome, outcomes)
TURN_PUT(turn_put_group, struct job_group, groups)
TURN_PUT(turn_put_page, struct presence_page, pages)
TURN_PUT(turn_put_setting, struct store_setting, settings)

void turn_put_transfer(struct hub_turn *turn, const struct transfer *row, uint32_t before)
{
    *TURN_ADD(turn, transfers, struct transfer) = *row;
    if (before > turn->set->transfers_before)
        turn->set->transfers_before = before;
    turn->set->change_count++;
}

bool turn_has_transfers(const struct hub_turn *turn)
{
    return turn->set->transfers.count > 0;
}

void turn_put_outbox(struct hub_turn *turn, struct outbox_row row)
{
    row.id = turn->set->counters.next_outbox++;
    *TURN_ADD(turn, outbox, struct outbox_row) = row;
    turn->set->change_count++;
}

void turn_outbox_done(struct hub_turn *turn, uint64_t upto)
{
    turn->set->outbox_done = upto;
    turn->set->change_count++;
}

/* ---- lists that are set anew as a whole ---- */

const struct policy *turn_policies(struct hub_turn *turn, size_t *count)
{
    if (!turn->set->policies)
        return policy_board_all(turn->hub->config.policies, &turn->mem, count);
    *count = turn->set->policy_count;
    return turn->set->policies;
}

void turn_set_policies(struct hub_turn *turn, const struct policy *policies, size_t count)
{
    turn->set->policies = policies;
    turn->set->policy_count = count;
    turn->set->change_count++;
}

const struct message_route *turn_routes(struct hub_turn *turn, size_t *count)
{
    if (!turn->set->routes)
        return router_all(turn->hub->config.router, &turn->mem, count);
    *count = turn->set->route_count;
    return turn->set->routes;
}

void turn_set_routes(struct hub_turn *turn, const struct message_route *routes, size_t count)
{
    turn->set->routes = routes;
    turn->set->route_count = count;
    turn->set->change_count++;
}

const struct authority *turn_authorities(struct hub_turn *turn, size_t *count)
{
    if (!turn->set->authorities)
        return authority_board_all(turn->hub->config.authorities, &turn->mem, count, NULL);
    *count = turn->set->authority_count;
    return turn->set->authorities;
}

void turn_set_authorities(struct hub_turn *turn, const struct authority *all, size_t count)
{
    turn->set->authorities = all;
    turn->set->authority_count = count;
}

/* ---- what has no row ---- */

void turn_reserve_calls(struct hub_turn *turn)
{
    turn->set->counters.next_call += STORE_CALL_BLOCK;
    turn->set->counters_changed = true;
    turn->set->change_count++;
}

void turn_note_change(struct hub_turn *turn)
{
    turn->set->change_count++;
}
