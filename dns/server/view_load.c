// SPDX-License-Identifier: Apache-2.0
#include "dns/server/view_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/yang_config.h"
#include "dns/answer/rule.h"
#include "dns/zone/build_zone.h"
#include "dns/zone/catalog.h"
#include "dns/zone/delta.h"
#include "dns/zone/dnssec.h"
#include "dns/zone/load.h"
#include "dns/zone/save.h"

struct more {
	const struct dns_conf *conf;
	const struct dns_zone_conf *zone;
	const struct wf_buf *choices;
};

/* The keys of a zone that is signed here, and the records that they make. */
static int
add_keys(const struct more *m, struct dns_zone_builder *b, struct wf_err *err)
{
	uint32_t now_s = wf_wall_ms() / 1000;
	struct dns_keyset *keys;
	int rc = dns_keyset_load(&m->zone->name, m->conf->key_folder, m->zone->dnskey_ttl,
				 m->zone->signature_s, now_s, &keys, err);

	if (rc)
		return rc;
	rc = dns_zone_builder_sign(b, keys, m->zone->denial, now_s, err);
	dns_keyset_unref(keys);
	return rc;
}

/* What is chosen in a zone, one behind the other: name, type, ttl, number of the choice. */
#define CHOICE_SIZE (DNS_NAME_MAX + 1 + 12)

static void
put_choice(struct dns_view *v, const struct dns_chosen_conf *c, unsigned type,
	   const struct dns_service *service, struct wf_buf *to)
{
	uint32_t number = dns_choice_number(c->policy, type, c->ttl, service);
	uint8_t *p = wf_buf_put_zeros(to, CHOICE_SIZE);

	memcpy(p, c->name.wire, c->name.size);
	dns_put32(p + DNS_NAME_MAX + 1, type);
	dns_put32(p + DNS_NAME_MAX + 5, c->ttl);
	dns_put32(p + DNS_NAME_MAX + 9, number);
	if (number >= v->n_choices) {
		v->choices = wf_xrealloc(v->choices, (number + 1) * sizeof(v->choices[0]));
		memset(v->choices + v->n_choices, 0, (number + 1 - v->n_choices) * sizeof(v->choices[0]));
		v->n_choices = number + 1;
	}
	if (!v->choices[number])
		v->choices[number] = dns_chosen_new(&v->chosen, number, v->pol, pol_find(v->pol, c->policy));
}

/* Binds the choices of one name to the view's policies. */
static int
bind_choices(struct dns_view *v, const struct dns_chosen_conf *c, struct wf_buf *to, struct wf_err *err)
{
	uint16_t types[2];
	int n = dns_chosen_types(v->pol, pol_find(v->pol, c->policy), types, err);

	for (unsigned k = 0; k < c->n_services && n >= 0; k++)
		if (!c->services[k].service.priority && types[0] != DNS_CNAME)
			return wf_err(err, -EINVAL, "policy %s: a service of priority 0 is an alias of a target; its members have addresses", c->policy);
	/* Targets make an alias, unless the name is a service: no other data stands beside a CNAME. */
	if (n > 0 && types[0] == DNS_CNAME && c->n_services)
		n = 0;
	for (unsigned k = 0; k < c->n_services && n >= 0; k++)
		put_choice(v, c, c->services[k].type, &c->services[k].service, to);
	for (int k = 0; k < n; k++)
		put_choice(v, c, types[k], NULL, to);
	return n < 0 ? n : 0;
}

static int
add_choices(struct dns_zone_builder *b, const struct wf_buf *choices, struct wf_err *err)
{
	int rc = 0;

	for (size_t at = 0; at < choices->size && !rc; at += CHOICE_SIZE) {
		const uint8_t *p = choices->data + at;
		struct dns_name name;

		dns_name_read_lower(&name, p, DNS_NAME_MAX);
		p += DNS_NAME_MAX + 1;
		rc = dns_zone_builder_add_chosen(b, &name, dns_get32(p), dns_get32(p + 4),
						 dns_get32(p + 8), err);
	}
	return rc;
}

static int
add_more(void *arg, struct dns_zone_builder *b, struct wf_err *err)
{
	const struct more *m = arg;
	int bad = m->zone->dnssec ? add_keys(m, b, err) : 0;

	if (bad)
		return bad;
	return add_choices(b, m->choices, err);
}

void (*dns_view_on_policy)(bool after);

/* Called by the policies, on the main thread, before answers change. */
static void
on_policy_change(void *arg, struct pol_policy *policy, bool after)
{
	struct dns_view *v = arg;

	if (dns_view_on_policy)
		dns_view_on_policy(after);
	if (!after)
		dns_chosen_extend(v->chosen, policy);
}

static int
load_policies(const struct dns_conf *c, const struct dns_view *old, struct dns_view *v,
	      struct wf_err *err)
{
	int rc;

	/* Once there were policies there is always an object for their health to be in. */
	if (!json_array_size(json_object_get(c->json, "policy")) && !(old && old->pol))
		return 0;
	rc = pol_build(c->json, c->folder, old ? old->pol : NULL, &v->pol, err);
	if (rc)
		return rc;
	v->places = pol_table(v->pol);
	pol_on_change(v->pol, on_policy_change, v);
	return 0;
}

static int
load_keys(const struct dns_conf *c, struct dns_view *v, struct wf_err *err)
{
	size_t i;
	json_t *o;

	json_array_foreach(json_object_get(c->json, "key"), i, o)
	{
		struct dns_key *k = wf_xzalloc(sizeof *k);
		const char *name = wf_json_str(o, "name", "");
		struct wf_err why = { "" };

		k->next = v->keys;
		v->keys = k;
		if (dns_name_from_text(&k->name, name, NULL, &why))
			return wf_err(err, -EINVAL, "key %s: %s", name, why.text);
		k->algorithm = dns_key_algorithm(wf_json_str(o, "algorithm", ""));
		if (!dns_key_set_secret(k, wf_json_str(o, "secret", "")))
			return wf_err(err, -EINVAL, "key %s: the secret is not base64 of 1 to %u bytes; make one with: openssl rand -base64 32", name, DNS_KEY_MAX);
	}
	return 0;
}

static const struct dns_key *
find_key(const struct dns_view *v, const struct dns_name *name)
{
	for (const struct dns_key *k = v->keys; k; k = k->next)
		if (k->name.size == name->size && !memcmp(k->name.wire, name->wire, name->size))
			return k;
	return NULL;
}

static void
make_allow(const struct dns_view *v, const struct dns_allow_conf *c, struct dns_allow *to)
{
	to->exists = c->exists;
	to->n_prefixes = c->n_prefixes;
	if (c->n_prefixes)
		to->prefixes = wf_xmemdup(c->prefixes, c->n_prefixes * sizeof *to->prefixes);
	if (c->n_keys)
		to->keys = wf_xzalloc(c->n_keys * sizeof(to->keys[0]));
	for (size_t i = 0; i < c->n_keys; i++)
		to->keys[to->n_keys++] = find_key(v, &c->keys[i]);
}

/* Without a rule of its own NOTIFY is taken from the primaries' addresses. */
static void
allow_primaries(const struct dns_zone_conf *zc, struct dns_allow *to)
{
	to->exists = zc->n_primaries;
	to->prefixes = wf_xrealloc(to->prefixes, (zc->n_primaries + 1) * sizeof *to->prefixes);
	for (size_t i = 0; i < zc->n_primaries; i++)
		if (!pol_prefix_parse(zc->primaries[i].text, &to->prefixes[to->n_prefixes], NULL))
			to->n_prefixes++;
}

static void
add_rule(struct dns_view *v, const struct dns_zone_conf *zc)
{
	struct dns_zone_rule *r;

	if (!zc->transfer.exists && !zc->n_primaries)
		return;
	r = wf_xzalloc(sizeof *r);
	make_allow(v, &zc->transfer, &r->transfer);
	r->refuses_chosen = zc->refuses_chosen;
	make_allow(v, &zc->notify_from, &r->notify);
	if (!zc->notify_from.exists)
		allow_primaries(zc, &r->notify);
	dns_view_set_rule(v, &zc->name, r);
}

/* A zone that came by transfer is not read from its file; its copy may be newer if another process has written it. */
static bool
copy_is_current(const struct dns_zone_conf *zc, const struct dns_zone *z)
{
	return z->no_data ? access(zc->file, F_OK) != 0 : dns_zone_is_current(z, zc->file);
}

bool
dns_view_is_current(const struct dns_conf *c, const struct dns_view *v)
{
	for (size_t i = 0; i < c->n_zones + c->n_members; i++) {
		const struct dns_zone_conf *zc = dns_conf_zone(c, i);
		const struct dns_zone *z = dns_view_zone_named(v, &zc->name);

		if (!z || !(zc->n_primaries ? copy_is_current(zc, z) : dns_zone_is_current(z, zc->file)))
			return false;
	}
	return !v->pol || !pol_files_changed(v->pol);
}

/* A zone that comes by transfer: as it is, else its copy on disk, else nothing yet. */
static struct dns_zone *
load_secondary(const struct dns_conf *c, const struct dns_zone_conf *zc, struct dns_zone *had, struct wf_str *warnings)
{
	struct wf_err why = { "" };
	struct dns_zone *z = NULL;

	if (had && had->is_secondary && !(c->rereads_copies && !copy_is_current(zc, had)))
		return dns_zone_ref(had);
	if (!access(zc->file, F_OK)) {
		if (dns_zone_load(&zc->name, zc->file, NULL, NULL, &z, warnings, &why)) {
			if (warnings)
				wf_str_fmt(warnings, "%s; the zone is transferred anew\n", why.text);
			z = NULL;
		} else if (zc->transfer.exists && zc->journal_size) {
			dns_journal_load(z, zc->journal, &why);
		}
	}
	if (!z)
		z = dns_zone_new_no_data(&zc->name);
	z->is_secondary = true;
	return z;
}

/* What secondaries may ask for as differences. */
static void
keep_journal(const struct dns_zone_conf *zc, struct dns_zone *z, const struct dns_zone *had,
	     struct wf_str *warnings)
{
	struct wf_err why = { "" };
	int rc = 0;

	/* The signatures that are made here change without a new serial. */
	if (!zc->transfer.exists || !zc->journal_size || z->has_chosen || zc->dnssec)
		return;
	if (had && had->serial != z->serial) {
		dns_zone_keep_deltas(z, had, zc->journal_size);
		rc = dns_journal_save(z, zc->journal, &why);
	} else if (!had) {
		rc = dns_journal_load(z, zc->journal, &why);
		if (rc == -ENOENT || rc == -ESTALE) /* the zone was edited meanwhile */
			rc = 0;
	}
	if (rc && warnings)
		wf_str_fmt(warnings, "zone %s: %s\n", zc->text, why.text);
}

/* The zone was made under the configuration's settings of DNSSEC. */
static bool
is_signed_as(const struct dns_zone *z, const struct dns_zone_conf *zc)
{
	const struct dns_zone_dnssec *d = z->dnssec && z->dnssec->keys ? z->dnssec : NULL;

	if (!d || !zc->dnssec)
		return !d == !zc->dnssec;
	return d->denial == zc->denial && d->keys->ttl == zc->dnskey_ttl &&
	       d->keys->lifetime_s == zc->signature_s;
}

static int
load_zone(const struct dns_conf *c, const struct dns_zone_conf *zc, struct dns_view *v,
	  const struct dns_view *old, struct wf_str *warnings, struct wf_err *err)
{
	struct dns_zone *had = old ? dns_view_zone_named(old, &zc->name) : NULL, *z = NULL;
	struct wf_buf choices = WF_BUF_INIT;
	struct wf_err why = { "" };
	int rc = 0;

	for (size_t i = 0; i < zc->n_chosen && !rc; i++)
		rc = bind_choices(v, &zc->chosen[i], &choices, &why);
	if (rc) {
		wf_buf_done(&choices);
		return wf_err(err, rc, "%s: %s", zc->file, why.text);
	}
	if (zc->n_primaries) {
		z = load_secondary(c, zc, had, warnings);
	} else if (had && !had->is_secondary && had->choices_size == choices.size &&
		   (!choices.size || !memcmp(had->choices, choices.data, choices.size)) &&
		   is_signed_as(had, zc) && dns_zone_is_current(had, zc->file)) {
		z = dns_zone_ref(had);
	} else {
		rc = dns_zone_load(&zc->name, zc->file, add_more, &(struct more){ c, zc, &choices },
				   &z, warnings, err);
		if (!rc && choices.size) {
			z->choices = wf_xmemdup(choices.data, choices.size);
			z->choices_size = choices.size;
		}
		if (!rc)
			dns_zone_inherit_sigs(z, had, wf_wall_ms() / 1000);
		if (!rc)
			keep_journal(zc, z, had, warnings);
	}
	wf_buf_done(&choices);
	if (!rc && dns_view_add_zone(v, z)) {
		dns_zone_unref(z);
		rc = wf_err(err, -EINVAL, "zone %s is configured twice, with other letters or dots", zc->text);
	}
	if (!rc)
		add_rule(v, zc);
	return rc;
}

struct members {
	struct dns_conf *conf;
	const struct dns_zone_conf *catalog;
	struct dns_view *view;
	const struct dns_view *old;
	struct wf_str *warnings;
};

/* RFC 9432 section 4.3: a name that is served already stays where it is. */
static int
on_member(void *arg, const struct dns_name *name, struct wf_err *err)
{
	struct members *m = arg;

	if (dns_view_zone_named(m->view, name)) {
		char text[DNS_NAME_TEXT_MAX];

		if (m->warnings)
			wf_str_fmt(m->warnings, "catalog %s: member %s is served already and stays as it is\n",
				   m->catalog->text, dns_name_text(name->wire, text));
		return 0;
	}
	dns_conf_add_member(m->conf, m->catalog, name);
	return load_zone(m->conf, &m->conf->members[m->conf->n_members - 1], m->view, m->old, m->warnings,
			 err);
}

static int
load_catalog(struct dns_conf *c, const struct dns_zone_conf *zc, struct dns_view *v,
	     const struct dns_view *old, struct wf_str *warnings, struct wf_err *err)
{
	const struct dns_zone *z = dns_view_zone_named(v, &zc->name);

	if (z->no_data)
		return 0;
	return dns_catalog_read(z, on_member,
				&(struct members){ .conf = c,
						   .catalog = zc,
						   .view = v,
						   .old = old,
						   .warnings = warnings },
				err);
}

int
dns_view_load(struct dns_conf *c, const struct dns_view *old, struct dns_view **ret,
	      struct wf_str *warnings, struct wf_err *err)
{
	/* 'c' may be the configuration in force: its members stay if this fails. */
	struct dns_conf before = { .members = c->members, .n_members = c->n_members };
	struct dns_view *v = dns_view_new();
	int rc = 0;

	v->udp_limit = c->udp_limit;
	v->cookies = c->cookies;
	v->limit_slip = c->limit_slip;
	v->sign_per_s = c->sign_per_s;
	if (c->nsid) {
		v->nsid_size = strlen(c->nsid);
		memcpy(v->nsid, c->nsid, v->nsid_size);
	}
	rc = load_keys(c, v, err);
	if (!rc && c->why.exists) {
		v->why = wf_xzalloc(sizeof *v->why);
		make_allow(v, &c->why, v->why);
	}
	if (!rc)
		rc = load_policies(c, old, v, err);
	for (size_t i = 0; i < c->n_zones && !rc; i++)
		rc = load_zone(c, &c->zones[i], v, old, warnings, err);
	c->members = NULL;
	c->n_members = c->room_members = 0;
	for (size_t i = 0; i < c->n_zones && !rc; i++)
		if (c->zones[i].catalog)
			rc = load_catalog(c, &c->zones[i], v, old, warnings, err);
	if (rc) {
		dns_conf_forget_members(c);
		c->members = before.members;
		c->n_members = c->room_members = before.n_members;
		dns_view_free(v);
		return rc;
	}
	dns_conf_forget_members(&before);
	*ret = v;
	return 0;
}

int
dns_conf_check(const char *path)
{
	struct wf_str warnings = WF_STR_INIT;
	struct wf_err err = { "" };
	struct dns_conf *c = NULL;
	struct dns_view *v = NULL;
	int rc = dns_conf_load(path, &c, &err);

	if (!rc)
		rc = dns_conf_check_files(c, &err);
	if (!rc)
		rc = dns_view_load(c, NULL, &v, &warnings, &err);
	fputs(wf_str_cstr(&warnings), stderr);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	else
		printf("%s: good, %zu zones\n", path, v->n_zones);
	dns_view_free(v);
	dns_conf_free(c);
	wf_str_done(&warnings);
	return rc ? 1 : 0;
}
