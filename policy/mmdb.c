// SPDX-License-Identifier: Apache-2.0
/* MaxMind DB files (format 2.0), read whole: a walk over the search tree gives every network in
 * order, each data record is decoded once. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <maxminddb.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "policy/location_internal.h"

struct seen {
	struct wf_hmap_node node;
	uint32_t offset; /* of the record in the data section */
	uint32_t value;	 /* 1 + index of the layer's records */
};

struct walk {
	struct loc_db *db;
	struct loc_layer *layer;
	MMDB_s *mmdb;
	const char *file;
	struct wf_hmap seen;
	uint8_t *on_path; /* a bit a node */
	uint64_t n_visits, max_visits;
	uint64_t ipv4_node; /* of an IPv6 tree: where ::/96 leads; 0: not a node */
	struct wf_err *err;
};

static int
bad(struct walk *w, const char *what)
{
	return wf_err(w->err, -EINVAL, "%s: %s; the file is damaged, get it again", w->file, what);
}

/* A copy of the file in memory, and its name for MMDB_open(). */
static int
snapshot(const char *file, char name[64], struct wf_err *err)
{
	int from = open(file, O_RDONLY | O_CLOEXEC), to;
	char block[65536];
	ssize_t n;

	if (from < 0)
		return wf_err(err, -errno, "%s: %s", file, strerror(errno));
	to = memfd_create("mmdb", MFD_CLOEXEC);
	if (to < 0) {
		int rc = wf_err(err, -errno, "%s: no memory for a copy: %s", file, strerror(errno));

		close(from);
		return rc;
	}
	while ((n = read(from, block, sizeof block)) > 0)
		if (write(to, block, n) != n) {
			n = -1;
			break;
		}
	if (n < 0) {
		int rc = wf_err(err, -errno, "%s: can't be copied: %s", file, strerror(errno));

		close(from);
		close(to);
		return rc;
	}
	close(from);
	snprintf(name, 64, "/proc/self/fd/%d", to);
	return to;
}

static int
get(struct walk *w, MMDB_entry_s *entry, const char *const *path, uint32_t type,
    MMDB_entry_data_s *d)
{
	int rc = MMDB_aget_value(entry, d, path);

	if (rc == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR ||
	    rc == MMDB_INVALID_LOOKUP_PATH_ERROR)
		return 0;
	if (rc)
		return bad(w, MMDB_strerror(rc));
	return d->has_data && d->type == type;
}

static int
get_string(struct walk *w, MMDB_entry_s *entry, const char *const *path, const char **ret)
{
	MMDB_entry_data_s d;
	int rc = get(w, entry, path, MMDB_DATA_TYPE_UTF8_STRING, &d);

	if (rc <= 0 || !d.data_size || d.data_size > 100)
		return rc < 0 ? rc : 0;
	char text[101];

	memcpy(text, d.utf8_string, d.data_size);
	text[d.data_size] = '\0';
	/* These go to terminals and logs. */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	*ret = loc_db_string(w->db, text);
	return 0;
}

static int
decode(struct walk *w, MMDB_entry_s *entry, struct loc_info *info)
{
	static const char *const continent[] = { "continent", "code", NULL };
	static const char *const country[] = { "country", "iso_code", NULL };
	static const char *const registered[] = { "registered_country", "iso_code", NULL };
	static const char *const subdivision[] = { "subdivisions", "0", "iso_code", NULL };
	static const char *const city[] = { "city", "names", "en", NULL };
	static const char *const lat[] = { "location", "latitude", NULL };
	static const char *const lon[] = { "location", "longitude", NULL };
	static const char *const asn[] = { "autonomous_system_number", NULL };
	const char *state = NULL;
	MMDB_entry_data_s a, b;
	int rc;

	if ((rc = get_string(w, entry, continent, &info->continent)) ||
	    (rc = get_string(w, entry, country, &info->country)) ||
	    (!info->country && (rc = get_string(w, entry, registered, &info->country))) ||
	    (rc = get_string(w, entry, subdivision, &state)) ||
	    (rc = get_string(w, entry, city, &info->city)))
		return rc;
	if (state && info->country) {
		char text[210];

		snprintf(text, sizeof text, "%s-%s", info->country, state);
		info->subdivision = loc_db_string(w->db, text);
	}
	/* No accuracy_radius is asked for: a record without one has a place all the same. */
	if ((rc = get(w, entry, lat, MMDB_DATA_TYPE_DOUBLE, &a)) < 0)
		return rc;
	if (rc && (rc = get(w, entry, lon, MMDB_DATA_TYPE_DOUBLE, &b)) < 0)
		return rc;
	if (rc && fabs(a.double_value) <= 90 && fabs(b.double_value) <= 180) {
		info->has_coords = true;
		info->lat = a.double_value;
		info->lon = b.double_value;
	}
	if ((rc = get(w, entry, asn, MMDB_DATA_TYPE_UINT32, &a)) < 0)
		return rc;
	if (rc)
		info->asn = a.uint32;
	return 0;
}

static int
record_value(struct walk *w, MMDB_entry_s *entry, uint32_t *ret)
{
	uint32_t hash = wf_hash_u64(entry->offset, 0);
	struct loc_info info = { .region = NULL };
	struct seen *s;

	wf_hmap_for_each_with_hash (s, node, hash, &w->seen)
		if (s->offset == entry->offset) {
			*ret = s->value;
			return 0;
		}
	int rc = decode(w, entry, &info);
	if (rc)
		return rc;

	struct loc_layer *layer = w->layer;

	if (layer->n_records == layer->records_allocated) {
		layer->records_allocated =
			layer->records_allocated ? layer->records_allocated * 2 : 64;
		layer->records = wf_xrealloc(layer->records,
					     layer->records_allocated * sizeof *layer->records);
	}
	layer->records[layer->n_records++] = info;
	s = wf_xmalloc(sizeof *s);
	s->offset = entry->offset;
	s->value = *ret = layer->n_records;
	wf_hmap_insert(&w->seen, &s->node, hash);
	return 0;
}

static int walk_node(struct walk *, uint64_t node, int family, struct pol_prefix at);

static int
walk_side(struct walk *w, uint8_t type, uint64_t record, MMDB_entry_s *entry, int family,
	  struct pol_prefix at)
{
	uint32_t value = 0;

	switch (type) {
	case MMDB_RECORD_TYPE_SEARCH_NODE:
		/* IPv4 lies at ::/96 and, in most files, also under ::ffff:0:0/96 and 2002::/16:
		 * aliases that are no places in IPv6. */
		if (family == 6 && w->ipv4_node && record == w->ipv4_node)
			break;
		return walk_node(w, record, family, at);
	case MMDB_RECORD_TYPE_EMPTY:
		break;
	case MMDB_RECORD_TYPE_DATA: {
		int rc = record_value(w, entry, &value);

		if (rc)
			return rc;
		break;
	}
	default:
		return bad(w, "the search tree has a record that points nowhere");
	}
	loc_edges_put(&w->layer->edges[loc_family_index(family)], at.addr.hi, at.addr.lo, value);
	return 0;
}

static int
walk_node(struct walk *w, uint64_t node, int family, struct pol_prefix at)
{
	MMDB_search_node_s n;
	uint8_t bit = 1 << (node & 7);

	if (at.len == pol_family_bits(family))
		return bad(w, "the search tree is deeper than an address is long");
	if (node >= w->mmdb->metadata.node_count || MMDB_read_node(w->mmdb, node, &n))
		return bad(w, "the search tree has a node that can't be read");
	if (w->on_path[node >> 3] & bit)
		return bad(w, "the search tree has a loop");
	/* A tree without aliases visits each node once.  A crafted one may share subtrees so that
	 * the number of paths doubles with each level. */
	if (++w->n_visits > w->max_visits)
		return bad(w, "the search tree uses its nodes many times over");

	struct pol_prefix right = at;

	at.len++;
	right.len++;
	if (right.len <= 64)
		right.addr.hi |= 1ull << (64 - right.len);
	else
		right.addr.lo |= 1ull << (128 - right.len);
	w->on_path[node >> 3] |= bit;
	int rc = walk_side(w, n.left_record_type, n.left_record, &n.left_record_entry, family, at);
	if (!rc)
		rc = walk_side(w, n.right_record_type, n.right_record, &n.right_record_entry,
			       family, right);
	w->on_path[node >> 3] &= ~bit;
	return rc;
}

/* Follows 96 zero bits.  Returns 1 if that ends at a node, 0 if at data or nothing (then 'n' holds
 * it as its left side), or an error. */
static int
find_ipv4(struct walk *w, MMDB_search_node_s *n, uint64_t *node)
{
	*node = 0;
	for (unsigned depth = 0; depth < 96; depth++) {
		if (*node >= w->mmdb->metadata.node_count || MMDB_read_node(w->mmdb, *node, n))
			return bad(w, "the search tree has a node that can't be read");
		if (n->left_record_type != MMDB_RECORD_TYPE_SEARCH_NODE)
			return 0;
		*node = n->left_record;
	}
	return 1;
}

static int
walk_all(struct walk *w)
{
	struct pol_prefix all4 = { { 0, 0, 4 }, 0 }, all6 = { { 0, 0, 6 }, 0 };
	MMDB_search_node_s n;
	uint64_t node;

	if (w->mmdb->metadata.ip_version == 4)
		return walk_node(w, 0, 4, all4);
	int rc = find_ipv4(w, &n, &node);
	if (rc > 0) {
		if (!node)
			return bad(w, "the search tree has a loop");
		w->ipv4_node = node;
		rc = walk_node(w, node, 4, all4);
	} else if (!rc) {
		rc = walk_side(w, n.left_record_type, n.left_record, &n.left_record_entry, 4, all4);
	}
	return rc ? rc : walk_node(w, 0, 6, all6);
}

int
loc_mmdb_read(struct loc_db *db, struct loc_layer *layer, const char *file, struct wf_err *err)
{
	char name[64];
	int fd = snapshot(file, name, err);
	MMDB_s mmdb;

	if (fd < 0)
		return fd;
	int rc = MMDB_open(name, MMDB_MODE_MMAP, &mmdb);
	if (rc) {
		close(fd);
		return wf_err(err, -EINVAL, "%s: not a MaxMind DB that can be used: %s", file,
			      MMDB_strerror(rc));
	}
	struct walk w = {
		.db = db,
		.layer = layer,
		.mmdb = &mmdb,
		.file = file,
		.on_path = wf_xzalloc(mmdb.metadata.node_count / 8 + 1),
		.max_visits = 8ull * mmdb.metadata.node_count + 1024,
		.err = err,
	};
	struct seen *s;

	layer->file = loc_db_string(db, file);
	wf_hmap_init(&w.seen);
	if (mmdb.metadata.ip_version != 4 && mmdb.metadata.ip_version != 6)
		rc = bad(&w, "it is neither for IPv4 nor for IPv6");
	else
		rc = walk_all(&w);
	/* A file without records is a source that knows nothing; combine() tells layers by
	 * 'records'. */
	if (!layer->records)
		layer->records = wf_xzalloc(sizeof *layer->records);
	wf_hmap_for_each_safe (s, node, &w.seen)
		free(s);
	wf_hmap_done(&w.seen);
	free(w.on_path);
	MMDB_close(&mmdb);
	close(fd);
	return rc;
}
