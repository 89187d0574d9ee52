/* query.h - the query language: text -> checked plan -> verdict on one document.
 *
 * A query is compiled once. Its meaning lives in one place, the evaluator, which gives a verdict on
 * one document; `POST /devices/query`, job conditions and (later) configurations all ask it. The
 * store is only ever asked for a superset of what matches.
 *
 *      text --tokens--> tree --bind--> plan --query_match--> TRUE | FALSE | UNDEFINED
 *                                        \--query_project--> a row
 *
 * Source: spec/query-language.md, Profile T. Text compares in UTF-8 byte order. */
#pragma once
#include "model/job.h"
#include "model/twin.h"

enum {
    QUERY_TEXT_MAX = 8192, /* characters of a query or condition */
    QUERY_DEPTH_MAX = 64,  /* brackets, NOTs and function calls inside each other */
};

enum query_form {
    QUERY_FULL,      /* SELECT ... FROM ... */
    QUERY_CONDITION, /* of a job: what follows WHERE; `*`; or FROM devices.modules WHERE ... */
};
enum query_collection { QUERY_DEVICES, QUERY_MODULES, QUERY_JOBS };
enum query_shape {
    QUERY_SHAPE_WHOLE,  /* SELECT * : whole documents */
    QUERY_SHAPE_ROWS,   /* a projection: one row per document */
    QUERY_SHAPE_GROUPS, /* aggregates and GROUP BY: rows at the end */
};
enum query_verdict { QUERY_FALSE, QUERY_TRUE, QUERY_UNDEFINED };

/* What the evaluator reads of a document: load no more than this. */
enum {
    QUERY_NEEDS_TAGS = 1,
    QUERY_NEEDS_DESIRED = 2,
    QUERY_NEEDS_REPORTED = 4,
    QUERY_NEEDS_PRESENCE = 8,
    QUERY_NEEDS_IDENTITY = 16,        /* more of it than its number and names */
    QUERY_NEEDS_NAMES = 64,           /* device id and module id */
    QUERY_NEEDS_CONFIGURATIONS = 128, /* which configurations target it */
    QUERY_NEEDS_METADATA = 32,        /* of the sections that are needed, too: times and versions */
};

struct query; /* immutable after compiling; lives in the arena it was compiled in */

/* ERR_BAD_INPUT (FAULT_ARGUMENT_INVALID) for any text outside the language: `why->text` says what
 * was expected and where ("line 1, column 29: expected a condition, found 'SELECT'"), with a
 * suggestion for a close misspelling of a known name; why->at is the byte offset. Over-long text,
 * over-deep nesting are ERR_BAD_INPUT as well and name the limit. */
enum err query_compile(struct str text, enum query_form form, struct arena *mem, struct query **out,
                       struct why *why);

enum query_collection query_collection(const struct query *query);
enum query_shape query_shape(const struct query *query);
unsigned query_needs_match(const struct query *query); /* bits that the condition reads */
unsigned
query_needs_project(const struct query *query); /* bits that the answer reads beyond that */
/* EXPLAIN SELECT ...: the answer is one row about the plan and what its verdicts cost, not what the
 * query would answer. An extension of ours. */
bool query_is_explain(const struct query *query);
bool query_has_top(const struct query *query, uint64_t *top);
uint64_t query_hash(const struct query *query); /* binds paging tokens to their query: stable */
const char *query_item_type(const struct query *query); /* "Twin", "Raw" or "DeviceJob" */

/* Whether a write of a section of a twin can change the verdict on it: the condition reads something that
 * the write touches. */
bool query_reads_write(const struct query *query, enum twin_part part, yyjson_val *patch,
                       bool replace);

/* When the condition can only be TRUE for documents whose `deviceId` (or `jobId`, for devices.jobs)
 * is one of a list of texts: that list, without duplicates, and true. Found through top-level AND
 * of `=` and IN; used to read by key instead of scanning. */
bool query_device_ids(const struct query *query, const struct str **ids, size_t *count);
bool query_job_ids(const struct query *query, const struct str **ids, size_t *count);
/* For devices.jobs: bits (1 << record_status), (1 << job_type) that can match at all; all bits when
 * the condition does not say. Used to prune jobs and whole record sets. */
unsigned query_record_statuses(const struct query *query);
unsigned query_job_types(const struct query *query);

/* A document: exactly one of the two is set. Sections that are not needed may be NULL. */
struct query_doc {
    const struct twin_view *twin;
    const struct job_record *record;
};

/* Working memory of one evaluating thread: holds the parsed sections of the current document. */
struct query_scratch;
struct query_scratch *query_scratch_create(void);
void query_scratch_destroy(struct query_scratch *scratch);

/* Verdict on `doc`. Sections are parsed lazily, only those that the condition reaches.
 * A stored section that is not JSON is a defect of ours: it counts as empty. */
enum query_verdict query_match(const struct query *query, const struct query_doc *doc,
                               struct query_scratch *scratch);

/* QUERY_SHAPE_ROWS: append the row of `doc` (a JSON object) to `out`. Call right after query_match
 * on the same doc with the same scratch to reuse what was parsed. */
void query_project(const struct query *query, const struct query_doc *doc,
                   struct query_scratch *scratch, struct buf *out);

/* QUERY_SHAPE_GROUPS: feed every matching document right after query_match, then write the rows one
 * by one, in the order in which the groups arose. The query outlives the groups. Without GROUP BY
 * there is one row, even over no documents. */
struct query_groups;
enum {
    QUERY_GROUPS_MAX = 100000,                /* distinct groups held in memory */
    QUERY_GROUPS_SIZE_MAX = 64 * 1024 * 1024, /* bytes of their values */
};
struct query_groups *query_groups_create(const struct query *query);
void query_groups_destroy(struct query_groups *groups);
/* ERR_LIMIT when a group over QUERY_GROUPS_MAX or QUERY_GROUPS_SIZE_MAX would arise. */
enum err query_groups_add(struct query_groups *groups, const struct query_doc *doc,
                          struct query_scratch *scratch, struct why *why);
/* Add what `from` gathered from other documents; it is of the same query, and stays its owner's. Rows
 * then stand as if all documents had come in the order of their numbers. ERR_LIMIT as above. */
enum err query_groups_merge(struct query_groups *into, const struct query_groups *from,
                            struct why *why);
size_t
query_groups_count(const struct query_groups *groups); /* rows, after all documents were fed */
void query_groups_put(const struct query_groups *groups, size_t index, struct buf *out);
