/* SPDX-License-Identifier: Apache-2.0 */
/* Writes: what is set, committed, sent and answered.  See ovsdb/txn.h. */
#include "ovsdb/txn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ovsdb/replica_private.h"
#include "ovsdb/session_private.h"

static const struct ovsdb_type *
type_of(const struct ovsdb_row *row, enum ovsdb_column c)
{
	return &row->replica->columns[c].type;
}

/* The type of write.gone: the column's keys. */
static struct ovsdb_type
key_set(enum ovsdb_column c)
{
	return (struct ovsdb_type){ ovsdb_columns[c].type.key, OVSDB_VOID, 0, OVSDB_MANY };
}

/* ---- One write. ---- */

static void
write_free(struct write *w)
{
	struct ovsdb_type keys = key_set(w->column);

	ovsdb_datum_done(&w->value, &ovsdb_columns[w->column].type);
	ovsdb_datum_done(&w->gone, &keys);
	free(w);
}

static void
writes_free(struct write **list)
{
	while (*list) {
		struct write *w = *list;

		*list = w->next;
		write_free(w);
	}
}

static struct write **
find_write(struct write **list, enum ovsdb_column c)
{
	while (*list && (*list)->column != c)
		list = &(*list)->next;
	return list;
}

/* A copy of 'd' without, or only with, the keys that 'other' has.  This and put_all() know
 * strings only, which is what ovsdb_set_key() lets in. */
static struct ovsdb_datum
select_keys(const struct ovsdb_datum *d, const struct ovsdb_type *type,
	    const struct ovsdb_datum *other, bool wanted)
{
	struct ovsdb_datum out = OVSDB_DATUM_INIT;

	for (unsigned i = 0; i < d->n; i++) {
		if ((ovsdb_datum_find(other, type, &d->keys[i]) >= 0) != wanted)
			continue;
		if (d->values)
			ovsdb_datum_add_str_str(&out, d->keys[i].string, d->values[i].string);
		else
			ovsdb_datum_add_str(&out, d->keys[i].string);
	}
	return out;
}

static void
put_all(struct ovsdb_datum *dst, const struct ovsdb_datum *src, const struct ovsdb_type *type)
{
	for (unsigned i = 0; i < src->n; i++) {
		if (src->values)
			ovsdb_datum_add_str_str(dst, src->keys[i].string, src->values[i].string);
		else
			ovsdb_datum_add_str(dst, src->keys[i].string);
	}
	ovsdb_datum_sort(dst, type);
}

/* Makes 'newer' (keys only, a map of strings) act after 'older'; takes both. */
static struct write *
add_keys(struct write *older, struct write *newer)
{
	const struct ovsdb_type *type = &ovsdb_columns[older->column].type;
	struct ovsdb_type keys = key_set(older->column);
	struct ovsdb_datum rest = select_keys(&older->value, type, &newer->gone, false);

	ovsdb_datum_done(&older->value, type);
	older->value = rest;
	put_all(&older->value, &newer->value, type);
	if (older->keys_only) {
		put_all(&older->gone, &newer->gone, &keys);
		rest = select_keys(&older->gone, &keys, &newer->value, false);
		ovsdb_datum_done(&older->gone, &keys);
		older->gone = rest;
	}
	write_free(newer);
	return older;
}

/* Merges a write into 'list', which holds older ones, or newer ones if 'w' is 'older'. */
static void
merge_write(struct write **list, struct write *w, bool w_is_older)
{
	struct write **at = find_write(list, w->column);
	struct write *have = *at;

	if (!have) {
		w->next = *list;
		*list = w;
		return;
	}
	struct write *next = have->next;
	struct write *older = w_is_older ? w : have, *newer = w_is_older ? have : w;

	if (newer->keys_only) {
		newer = add_keys(older, newer);
	} else {
		write_free(older);
	}
	newer->next = next;
	*at = newer;
}

/* ---- The writes of a row. ---- */

static struct ovsdb_row_writes *
row_writes(struct ovsdb_session *s, struct ovsdb_row *row)
{
	if (!row->writes) {
		row->writes = wf_xzalloc(sizeof(*row->writes));
		row->writes->session = s;
		row->writes->row = row;
		for (int i = 0; i < N_STAGES; i++)
			wf_list_init(&row->writes->stages[i].node);
	}
	return row->writes;
}

/* Puts the row on the list of a stage, or takes it off, as it has writes there. */
static void
relink(struct ovsdb_row_writes *rw, enum stage stage)
{
	bool has = rw->stages[stage].writes || rw->stages[stage].verifies;

	if (has == !wf_list_is_empty(&rw->stages[stage].node))
		return;
	if (has)
		wf_list_push_back(&rw->session->stages[stage].rows, &rw->stages[stage].node);
	else
		wf_list_remove(&rw->stages[stage].node);
}

static void
drop_if_empty(struct ovsdb_row_writes *rw)
{
	for (int i = 0; i < N_STAGES; i++)
		if (!wf_list_is_empty(&rw->stages[i].node))
			return;
	rw->row->writes = NULL;
	free(rw);
}

static void
drop_stage(struct ovsdb_row_writes *rw, enum stage stage)
{
	writes_free(&rw->stages[stage].writes);
	writes_free(&rw->stages[stage].verifies);
	relink(rw, stage);
}

/* The row goes. */
static void
drop_row(struct ovsdb_row_writes *rw, void *arg)
{
	struct ovsdb_session *s = rw->session;

	if (rw->stages[OPEN].verifies || rw->stages[QUEUED].verifies)
		s->dropped_verify = true;
	for (int i = 0; i < N_STAGES; i++)
		drop_stage(rw, i);
	drop_if_empty(rw);
}

/* Moves the writes of all rows from one stage to another. */
static void
move_stage(struct ovsdb_session *s, enum stage from, enum stage to)
{
	bool older = from > to; /* later stages hold what was set earlier */
	struct ovsdb_row_writes *rw, *next;
	struct wf_list commits;

	wf_list_for_each_safe(rw, next, stages[from].node, &s->stages[from].rows) {
		struct write *w;

		while ((w = rw->stages[from].writes)) {
			rw->stages[from].writes = w->next;
			merge_write(&rw->stages[to].writes, w, older);
		}
		while ((w = rw->stages[from].verifies)) {
			struct write **at = find_write(&rw->stages[to].verifies, w->column);

			rw->stages[from].verifies = w->next;
			if (*at && older) { /* the first one counts */
				struct write *have = *at;

				w->next = have->next;
				*at = w;
				write_free(have);
			} else if (*at) {
				write_free(w);
			} else {
				w->next = NULL;
				*at = w;
			}
		}
		relink(rw, from);
		relink(rw, to);
	}

	wf_list_init(&commits);
	while (!wf_list_is_empty(&s->stages[from].commits))
		wf_list_push_back(&commits, wf_list_pop_front(&s->stages[from].commits));
	if (older)
		while (!wf_list_is_empty(&s->stages[to].commits))
			wf_list_push_back(&commits, wf_list_pop_front(&s->stages[to].commits));
	while (!wf_list_is_empty(&commits))
		wf_list_push_back(&s->stages[to].commits, wf_list_pop_front(&commits));
}

/* Ends a stage: forgets its writes and answers its commits. */
static void
finish(struct ovsdb_session *s, enum stage stage, enum ovsdb_txn_result result, const char *text)
{
	struct ovsdb_row_writes *rw, *next;
	struct wf_list commits;

	wf_list_for_each_safe(rw, next, stages[stage].node, &s->stages[stage].rows) {
		drop_stage(rw, stage);
		drop_if_empty(rw);
	}
	/* A callback may commit again. */
	wf_list_init(&commits);
	while (!wf_list_is_empty(&s->stages[stage].commits))
		wf_list_push_back(&commits, wf_list_pop_front(&s->stages[stage].commits));
	while (!wf_list_is_empty(&commits)) {
		struct wf_list *node = wf_list_pop_front(&commits);
		struct commit *c = wf_container(node, struct commit, node);

		if (c->done)
			c->done(c->arg, result, text);
		free(c);
	}
}

/* ---- Setting. ---- */

/* The value that the column is going to have, or NULL if only some keys are known. */
static const struct ovsdb_datum *
expected(const struct ovsdb_row *row, enum ovsdb_column c)
{
	for (int i = 0; row->writes && i < N_STAGES; i++) {
		struct write *w = *find_write(&row->writes->stages[i].writes, c);

		if (w)
			return w->keys_only ? NULL : &w->value;
	}
	return ovsdb_get(row, c);
}

static bool
is_writable(const struct ovsdb_row *row, enum ovsdb_column c)
{
	if (row && ovsdb_columns[c].table != row->table)
		abort();
	return row && ovsdb_has_column(row->replica, c);
}

static void
put_write(struct ovsdb_session *s, struct ovsdb_row *row, enum ovsdb_column c, bool keys_only,
	  struct ovsdb_datum *value, struct ovsdb_datum *gone)
{
	struct ovsdb_row_writes *rw = row_writes(s, row);
	struct write *w = wf_xzalloc(sizeof(*w));

	w->column = c;
	w->keys_only = keys_only;
	w->value = *value;
	if (gone)
		w->gone = *gone;
	merge_write(&rw->stages[OPEN].writes, w, false);
	relink(rw, OPEN);
}

void
ovsdb_set(struct ovsdb_session *s, struct ovsdb_row *row, enum ovsdb_column c,
	  struct ovsdb_datum *datum)
{
	const struct ovsdb_datum *have;

	if (is_writable(row, c)) {
		ovsdb_datum_sort(datum, type_of(row, c));
		have = expected(row, c);
		if (!have || !ovsdb_datum_equals(have, datum, type_of(row, c))) {
			put_write(s, row, c, false, datum, NULL);
			*datum = (struct ovsdb_datum)OVSDB_DATUM_INIT;
			return;
		}
	}
	ovsdb_datum_done(datum, &ovsdb_columns[c].type);
}

void
ovsdb_clear(struct ovsdb_session *s, struct ovsdb_row *row, enum ovsdb_column c)
{
	struct ovsdb_datum empty;

	if (!is_writable(row, c))
		return;
	ovsdb_datum_init_default(&empty, type_of(row, c));
	ovsdb_set(s, row, c, &empty);
}

/* Sets a column to one atom, if it isn't that already.  The comparison allocates nothing. */
static void
set_atom(struct ovsdb_session *s, struct ovsdb_row *row, enum ovsdb_column c,
	 enum ovsdb_atomic type, union ovsdb_atom atom)
{
	const struct ovsdb_datum *have;
	struct ovsdb_datum value = OVSDB_DATUM_INIT;

	if (!is_writable(row, c))
		return;
	if (ovsdb_columns[c].type.key != type || ovsdb_columns[c].type.value != OVSDB_VOID)
		abort();
	have = expected(row, c);
	if (have && have->n == 1 && !ovsdb_atom_compare(&have->keys[0], &atom, type))
		return;
	if (type == OVSDB_STRING)
		ovsdb_datum_add_str(&value, atom.string);
	else if (type == OVSDB_INTEGER)
		ovsdb_datum_add_int(&value, atom.integer);
	else
		ovsdb_datum_add_bool(&value, atom.boolean);
	put_write(s, row, c, false, &value, NULL);
}

void
ovsdb_set_str(struct ovsdb_session *s, struct ovsdb_row *row, enum ovsdb_column c, const char *text)
{
	if (text)
		set_atom(s, row, c, OVSDB_STRING, (union ovsdb_atom){ .string = (char *)text });
	else
		ovsdb_clear(s, row, c);
}

void
ovsdb_set_int(struct ovsdb_session *s, struct ovsdb_row *row, enum ovsdb_column c, int64_t value)
{
	set_atom(s, row, c, OVSDB_INTEGER, (union ovsdb_atom){ .integer = value });
}

void
ovsdb_set_bool(struct ovsdb_session *s, struct ovsdb_row *row, enum ovsdb_column c, bool value)
{
	set_atom(s, row, c, OVSDB_BOOLEAN, (union ovsdb_atom){ .boolean = value });
}

/* The value that 'key' is going to have, or NULL. */
static const char *
expected_key(const struct ovsdb_row *row, enum ovsdb_column c, const char *key)
{
	const union ovsdb_atom atom = { .string = (char *)key };
	const struct ovsdb_type *type = &ovsdb_columns[c].type;
	struct ovsdb_type keys = key_set(c);

	for (int i = 0; row->writes && i < N_STAGES; i++) {
		struct write *w = *find_write(&row->writes->stages[i].writes, c);
		ssize_t at = w ? ovsdb_datum_find(&w->value, type, &atom) : -1;

		if (at >= 0)
			return w->value.values[at].string;
		if (w && (!w->keys_only || ovsdb_datum_find(&w->gone, &keys, &atom) >= 0))
			return NULL;
	}
	return ovsdb_smap_get(row, c, key);
}

void
ovsdb_set_key(struct ovsdb_session *s, struct ovsdb_row *row, enum ovsdb_column c, const char *key,
	      const char *value)
{
	struct ovsdb_datum put = OVSDB_DATUM_INIT, gone = OVSDB_DATUM_INIT;
	const char *have;

	if (!is_writable(row, c))
		return;
	if (ovsdb_columns[c].type.key != OVSDB_STRING || ovsdb_columns[c].type.value != OVSDB_STRING)
		abort();
	have = expected_key(row, c, key);
	if (value ? have && !strcmp(have, value) : !have)
		return;
	if (value)
		ovsdb_datum_add_str_str(&put, key, value);
	else
		ovsdb_datum_add_str(&gone, key);
	put_write(s, row, c, true, &put, &gone);
}

void
ovsdb_verify(struct ovsdb_session *s, struct ovsdb_row *row, enum ovsdb_column c)
{
	struct ovsdb_row_writes *rw;
	struct write *w;

	if (!is_writable(row, c))
		return;
	rw = row_writes(s, row);
	if (*find_write(&rw->stages[OPEN].verifies, c))
		return;
	w = wf_xzalloc(sizeof(*w));
	w->column = c;
	ovsdb_datum_copy(&w->value, ovsdb_get(row, c), type_of(row, c));
	w->next = rw->stages[OPEN].verifies;
	rw->stages[OPEN].verifies = w;
	relink(rw, OPEN);
}

/* ---- Sending. ---- */

static json_t *
where_row(const struct ovsdb_row *row)
{
	char uuid[OVSDB_UUID_LEN + 1];

	ovsdb_uuid_format(&row->uuid, uuid);
	return json_pack("[[ss[ss]]]", "_uuid", "==", "uuid", uuid);
}

/* "update", RFC 7047 section 5.2.3; NULL if nothing differs. */
static json_t *
update_operation(struct ovsdb_session *s, struct ovsdb_row *row, const struct write *list)
{
	json_t *columns = json_object();

	for (const struct write *w = list; w; w = w->next) {
		const struct ovsdb_type *type = type_of(row, w->column);

		if (w->keys_only || !ovsdb_has_column(row->replica, w->column) ||
		    ovsdb_datum_equals(&w->value, ovsdb_get(row, w->column), type))
			continue;
		json_object_set_new(columns, ovsdb_columns[w->column].name,
				    ovsdb_datum_to_json(&w->value, type));
		s->counters.n_columns_written++;
	}
	if (!json_object_size(columns)) {
		json_decref(columns);
		return NULL;
	}
	return json_pack("{sssssoso}", "op", "update", "table", ovsdb_tables[row->table].name,
			 "where", where_row(row), "row", columns);
}

/* "mutate", section 5.2.4.  "insert" leaves a key that exists alone, so that it has to be
 * deleted first. */
static json_t *
mutate_operation(struct ovsdb_session *s, struct ovsdb_row *row, const struct write *list)
{
	json_t *mutations = json_array();

	for (const struct write *w = list; w; w = w->next) {
		const char *name = ovsdb_columns[w->column].name;
		const struct ovsdb_type *type = type_of(row, w->column);
		struct ovsdb_type keys = key_set(w->column);
		struct ovsdb_datum old = OVSDB_DATUM_INIT;

		if (!w->keys_only || !ovsdb_has_column(row->replica, w->column))
			continue;
		put_all(&old, &w->gone, &keys);
		for (unsigned i = 0; i < w->value.n; i++)
			ovsdb_datum_add_str(&old, w->value.keys[i].string);
		ovsdb_datum_sort(&old, &keys);
		json_array_append_new(mutations, json_pack("[ss[so]]", name, "delete", "set",
							   json_array()));
		for (unsigned i = 0; i < old.n; i++) {
			json_t *last = json_array_get(mutations, json_array_size(mutations) - 1);

			json_array_append_new(json_array_get(json_array_get(last, 2), 1),
					      ovsdb_atom_to_json(&old.keys[i], keys.key));
		}
		ovsdb_datum_done(&old, &keys);
		if (w->value.n)
			json_array_append_new(mutations,
					      json_pack("[sso]", name, "insert",
							ovsdb_datum_to_json(&w->value, type)));
		s->counters.n_columns_written++;
	}
	if (!json_array_size(mutations)) {
		json_decref(mutations);
		return NULL;
	}
	return json_pack("{sssssoso}", "op", "mutate", "table", ovsdb_tables[row->table].name,
			 "where", where_row(row), "mutations", mutations);
}

/* "wait", section 5.2.6. */
static json_t *
wait_operation(struct ovsdb_row *row, const struct write *w)
{
	const char *name = ovsdb_columns[w->column].name;

	return json_pack("{sssssos[s]ss s[{so}] si}", "op", "wait", "table",
			 ovsdb_tables[row->table].name, "where", where_row(row), "columns", name,
			 "until", "==", "rows", name,
			 ovsdb_datum_to_json(&w->value, type_of(row, w->column)), "timeout", 0);
}

static void
append(json_t *operations, json_t *operation)
{
	if (operation)
		json_array_append_new(operations, operation);
}

/* The result of the transaction by its reply; 'text' says why. */
static enum ovsdb_txn_result
judge(const json_t *results, char *text, size_t size)
{
	enum ovsdb_txn_result result = OVSDB_TXN_STORED;

	*text = '\0';
	if (!json_is_array(results)) {
		snprintf(text, size, "the reply to \"transact\" is not an array");
		return OVSDB_TXN_ERROR;
	}
	for (size_t i = 0; i < json_array_size(results) && result == OVSDB_TXN_STORED; i++) {
		const json_t *r = json_array_get(results, i);
		const char *error = json_string_value(json_object_get(r, "error"));

		if (!error)
			continue;
		ovsdb_rpc_error_text(r, text, size);
		result = !strcmp(error, "timed out")   ? OVSDB_TXN_TRY_AGAIN
			 : !strcmp(error, "not owner") ? OVSDB_TXN_NOT_LOCKED
						       : OVSDB_TXN_ERROR;
	}
	return result;
}

static void
on_reply(void *session, const json_t *results, const json_t *error)
{
	struct ovsdb_session *s = session;
	enum ovsdb_txn_result result;
	char text[512];

	s->in_flight = false;
	if (results) {
		result = judge(results, text, sizeof(text));
		finish(s, IN_FLIGHT, result, text);
	} else if (error) {
		ovsdb_rpc_error_text(error, text, sizeof(text));
		finish(s, IN_FLIGHT, OVSDB_TXN_ERROR, text);
	} else {
		/* Nobody knows what became of it; the next content shows. */
		move_stage(s, IN_FLIGHT, QUEUED);
	}
	ovsdb_writes_kick(s);
}

static void
flush(struct wf_timer *timer)
{
	struct ovsdb_session *s = timer->arg;
	struct ovsdb_row_writes *rw;
	json_t *operations;
	bool something = false;

	if (!s->live || s->in_flight || wf_list_is_empty(&s->stages[QUEUED].commits))
		return;
	if (s->lock && s->lock_state == OVSDB_LOCK_WAITING) {
		finish(s, QUEUED, OVSDB_TXN_NOT_LOCKED, "another client holds the lock");
		return;
	}
	if (s->lock && s->lock_state != OVSDB_LOCK_HELD)
		return;
	if (s->dropped_verify) {
		s->dropped_verify = false;
		finish(s, QUEUED, OVSDB_TXN_TRY_AGAIN, "a row that was to be verified is gone");
		return;
	}

	operations = json_pack("[s]", OVSDB_DATABASE);
	if (s->lock)
		append(operations, json_pack("{ssss}", "op", "assert", "lock", s->lock));
	wf_list_for_each(rw, stages[QUEUED].node, &s->stages[QUEUED].rows)
		for (struct write *w = rw->stages[QUEUED].verifies; w; w = w->next)
			append(operations, wait_operation(rw->row, w));
	wf_list_for_each(rw, stages[QUEUED].node, &s->stages[QUEUED].rows) {
		json_t *update = update_operation(s, rw->row, rw->stages[QUEUED].writes);
		json_t *mutate = mutate_operation(s, rw->row, rw->stages[QUEUED].writes);

		something = something || update || mutate || rw->stages[QUEUED].verifies;
		append(operations, update);
		append(operations, mutate);
	}
	if (!something) {
		json_decref(operations);
		finish(s, QUEUED, OVSDB_TXN_STORED, "");
		return;
	}
	move_stage(s, QUEUED, IN_FLIGHT);
	s->in_flight = true;
	s->counters.n_transactions++;
	ovsdb_rpc_request(s->rpc, "transact", operations, on_reply, s);
}

void
ovsdb_writes_kick(struct ovsdb_session *s)
{
	wf_timer_set(&s->flush, 0, flush, s);
}

void
ovsdb_commit(struct ovsdb_session *s, ovsdb_commit_fn *done, void *arg)
{
	struct commit *c = wf_xzalloc(sizeof(*c));

	c->done = done;
	c->arg = arg;
	wf_list_push_back(&s->stages[OPEN].commits, &c->node);
	move_stage(s, OPEN, QUEUED);
	ovsdb_writes_kick(s);
}

bool
ovsdb_writes_pending(const struct ovsdb_session *s)
{
	for (int i = 0; i < N_STAGES; i++)
		if (!wf_list_is_empty(&s->stages[i].rows))
			return true;
	return s->in_flight;
}

void
ovsdb_writes_init(struct ovsdb_session *s)
{
	for (int i = 0; i < N_STAGES; i++) {
		wf_list_init(&s->stages[i].rows);
		wf_list_init(&s->stages[i].commits);
	}
	ovsdb_replica_on_drop_writes(s->replica, drop_row, s);
}

void
ovsdb_writes_done(struct ovsdb_session *s)
{
	for (int i = N_STAGES - 1; i >= 0; i--)
		finish(s, i, OVSDB_TXN_CLOSED, "the session was closed");
	wf_timer_cancel(&s->flush);
}

const char *
ovsdb_txn_result_name(enum ovsdb_txn_result result)
{
	switch (result) {
	case OVSDB_TXN_STORED:
		return "stored";
	case OVSDB_TXN_TRY_AGAIN:
		return "try again";
	case OVSDB_TXN_NOT_LOCKED:
		return "not locked";
	case OVSDB_TXN_ERROR:
		return "error";
	case OVSDB_TXN_CLOSED:
		return "closed";
	}
	return "unknown";
}
