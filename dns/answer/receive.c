// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/receive.h"

#include <errno.h>

#include "dns/wire/message.h"
#include "dns/zone/load.h"

void
dns_receive_init(struct dns_receive *r, const struct dns_name *apex, uint16_t id,
		 const struct dns_zone *have)
{
	*r = (struct dns_receive){ .id = id, .have = have };
	r->apex = *apex;
}

void
dns_receive_done(struct dns_receive *r)
{
	if (r->has_builder)
		dns_zone_builder_done(&r->builder);
	wf_buf_done(&r->soa);
	wf_buf_done(&r->changes);
}

/* Where names lie in data that an old primary may have compressed (RFC 3597 section 4). */
static struct dns_rdata_names
names_in(unsigned type, const uint8_t *p, size_t len)
{
	struct dns_rdata_names n = dns_rdata_names(type);
	size_t skip = 4;

	switch (type) {
	case DNS_RP:
		return (struct dns_rdata_names){ 0, 2 };
	case DNS_AFSDB:
	case DNS_RT:
	case DNS_KX:
		return (struct dns_rdata_names){ 2, 1 };
	case DNS_PX:
		return (struct dns_rdata_names){ 2, 2 };
	case DNS_SRV:
		return (struct dns_rdata_names){ 6, 1 };
	case DNS_DNAME:
		return (struct dns_rdata_names){ 0, 1 };
	case DNS_NAPTR:
		for (int i = 0; i < 3; i++)
			skip += skip < len ? 1u + p[skip] : 256;
		return (struct dns_rdata_names){ skip > 255 ? 255 : skip, skip < len };
	default:
		return n;
	}
}

/* The data with its names whole.  False: malformed. */
static bool
expand_rdata(const uint8_t *msg, size_t at, size_t end, unsigned type, uint8_t *to, size_t *ret_len)
{
	struct dns_rdata_names names = names_in(type, msg + at, end - at);
	size_t n = 0;

	if (names.n_names) {
		if (at + names.skip > end)
			return false;
		memcpy(to, msg + at, names.skip);
		n = names.skip;
		at += names.skip;
		for (unsigned i = 0; i < names.n_names; i++) {
			size_t size;

			at = at < end ? dns_expand_name(msg, end, at, to + n, &size) : 0;
			if (!at)
				return false;
			n += size;
		}
	}
	memcpy(to + n, msg + at, end - at);
	*ret_len = n + (end - at);
	return true;
}

static void
put_change(struct dns_receive *r, bool add, const struct dns_rec *rec)
{
	*(uint8_t *)wf_buf_put_uninit(&r->changes, 1) = add;
	dns_rec_put(&r->changes, rec);
	r->n_changes++;
}

static int
add_to_zone(struct dns_receive *r, const struct dns_name *owner, const struct dns_rec *rec,
	    struct wf_err *err)
{
	int rc = dns_load_check_type(rec->type, err);

	if (!rc)
		rc = dns_zone_builder_add(&r->builder, owner, rec->type, rec->ttl, rec->rdata,
					  rec->rdlen, err);
	return rc < 0 ? rc : 0;
}

static int
begin_zone(struct dns_receive *r, struct wf_err *err)
{
	struct dns_rec soa;

	dns_zone_builder_init(&r->builder, &r->apex, NULL);
	r->builder.max_size = r->max_size;
	r->has_builder = true;
	r->state = RECEIVE_ZONE;
	dns_rec_get(r->soa.data, &soa);
	return add_to_zone(r, &r->apex, &soa, err);
}

/* An SOA among differences: between the two halves of one, or between two.  The last one has the
 * new serial and follows what was added. */
static int
on_soa(struct dns_receive *r, uint32_t serial, struct wf_err *err)
{
	if (r->state == RECEIVE_REMOVED) {
		r->state = RECEIVE_ADDED;
		r->at = serial;
		return 0;
	}
	if (serial != r->at)
		return wf_err(err, -EINVAL, "the differences lead to serial %u and go on from %u",
			      r->at, serial);
	r->state = serial == r->serial ? RECEIVE_END : RECEIVE_REMOVED;
	return 0;
}

static int
take_record(struct dns_receive *r, const struct dns_name *owner, const struct dns_rec *rec,
	    struct wf_err *err)
{
	bool is_soa = rec->type == DNS_SOA && owner->size == r->apex.size &&
		      !memcmp(owner->wire, r->apex.wire, owner->size);
	uint32_t serial;
	int rc;

	if (is_soa && rec->rdlen < 22)
		return wf_err(err, -EINVAL, "an SOA record that is cut");
	serial = is_soa ? dns_get32(rec->rdata + rec->rdlen - 20) : 0;
	r->n_records++;
	switch (r->state) {
	case RECEIVE_FIRST:
		if (!is_soa)
			return wf_err(err, -EINVAL, "the first record is no SOA of the zone");
		r->serial = serial;
		dns_rec_put(&r->soa, rec);
		r->state = RECEIVE_SECOND;
		/* Not newer than ours: nothing follows (RFC 1995 section 4). */
		if (r->have && (int32_t)(serial - r->have->serial) <= 0) {
			r->is_current = true;
			r->state = RECEIVE_END;
		}
		return 0;
	case RECEIVE_SECOND:
		if (r->have && is_soa && serial == r->have->serial) {
			r->incremental = true;
			r->at = serial;
			r->state = RECEIVE_REMOVED;
			return 0;
		}
		rc = begin_zone(r, err);
		if (rc)
			return rc;
		/* fall through */
	case RECEIVE_ZONE:
		if (!is_soa)
			return add_to_zone(r, owner, rec, err);
		if (serial != r->serial)
			return wf_err(err, -EINVAL, "it begins with serial %u and ends with %u",
				      r->serial, serial);
		r->state = RECEIVE_END;
		return 0;
	case RECEIVE_REMOVED:
	case RECEIVE_ADDED:
		if (is_soa)
			return on_soa(r, serial, err);
		rc = dns_load_check_type(rec->type, err);
		if (rc)
			return rc;
		if (!dns_name_is_in(owner->wire, r->apex.wire))
			return 0;
		put_change(r, r->state == RECEIVE_ADDED, rec);
		return 0;
	case RECEIVE_END:
		break;
	}
	return wf_err(err, -EINVAL, "there are records behind the last one");
}

static int
check_header(const struct dns_receive *r, const uint8_t *msg, size_t size, struct wf_err *err)
{
	unsigned flags;

	if (size < DNS_HEADER_SIZE)
		return wf_err(err, -EINVAL, "a message that is cut");
	flags = dns_get16(msg + 2);
	if (dns_get16(msg) != r->id || !(flags & DNS_QR) || (flags & DNS_OPCODE))
		return wf_err(err, -EINVAL, "a message that is no answer to our query");
	if (flags & DNS_RCODE)
		return wf_err(err, -EINVAL, "the primary answers with %s", dns_rcode_text(flags & DNS_RCODE));
	if (flags & DNS_TC || dns_get16(msg + 4) > 1)
		return wf_err(err, -EINVAL, "a message that no transfer has (TC=1 or two questions)");
	return 0;
}

int
dns_receive_message(struct dns_receive *r, const uint8_t *msg, size_t size, struct wf_err *err)
{
	size_t at = DNS_HEADER_SIZE;
	uint8_t rdata[DNS_MESSAGE_MAX + 2 * DNS_NAME_MAX];
	struct dns_name owner;
	int rc = check_header(r, msg, size, err);

	if (rc)
		return rc;
	r->size += size;
	if (r->size > DNS_RECEIVE_MAX)
		return wf_err(err, -EINVAL, "the zone is larger than %llu bytes",
			      (unsigned long long)DNS_RECEIVE_MAX);
	if (r->max_size && r->changes.size > r->max_size)
		return wf_err(err, -EFBIG, "the differences are larger than max-zone-size, %llu bytes",
			      (unsigned long long)r->max_size);
	if (dns_get16(msg + 4)) {
		at = dns_read_name(msg, size, at, &owner);
		if (!at || at + 4 > size || owner.size != r->apex.size ||
		    memcmp(owner.wire, r->apex.wire, owner.size))
			return wf_err(err, -EINVAL, "the question is not ours");
		at += 4;
	}
	for (unsigned n = dns_get16(msg + 6); n; n--) {
		struct dns_rec rec;
		size_t data;

		at = dns_read_name(msg, size, at, &owner);
		if (!at || at + 10 > size)
			return wf_err(err, -EINVAL, "a record that is cut");
		rec.owner = owner.wire;
		rec.owner_size = owner.size;
		rec.type = dns_get16(msg + at);
		rec.ttl = dns_get32(msg + at + 4);
		if (rec.ttl > INT32_MAX)
			rec.ttl = 0; /* RFC 2181 section 8 */
		data = at + 10;
		if (dns_get16(msg + at + 2) != DNS_CLASS_IN)
			return wf_err(err, -EINVAL, "a record of another class than IN");
		at = data + dns_get16(msg + at + 8);
		if (at > size || !expand_rdata(msg, data, at, rec.type, rdata, &rec.rdlen) ||
		    rec.rdlen > UINT16_MAX)
			return wf_err(err, -EINVAL, "a %s record whose data is cut",
				      dns_type_text(rec.type));
		rec.rdata = rdata;
		if (!dns_rdata_is_valid(rec.type, rdata, rec.rdlen))
			return wf_err(err, -EINVAL, "the data of a %s record is not what its type demands",
				      dns_type_text(rec.type));
		rc = take_record(r, &owner, &rec, err);
		if (rc)
			return rc;
	}
	return r->state == RECEIVE_END;
}

int
dns_receive_finish(struct dns_receive *r, struct dns_zone **ret, struct wf_err *err)
{
	struct dns_rec soa;
	int rc;

	*ret = NULL;
	if (r->is_current)
		return 0;
	if (r->incremental) {
		dns_rec_get(r->soa.data, &soa);
		rc = dns_zone_apply(r->have, r->changes.data, r->n_changes, &soa, r->max_size, ret, err);
	} else {
		rc = dns_zone_builder_finish(&r->builder, ret, err);
	}
	if (!rc)
		(*ret)->is_secondary = true;
	return rc;
}
