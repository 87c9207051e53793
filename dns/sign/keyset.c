// SPDX-License-Identifier: Apache-2.0
/* Which key does what at a moment: RFC 6781 section 4.1 by the times that stand in the keys. */
#include <errno.h>
#include <stdlib.h>

#include "dns/sign/key.h"

struct dns_keyset *
dns_keyset_ref(struct dns_keyset *s)
{
	s->n_refs++;
	return s;
}

void
dns_keyset_unref(struct dns_keyset *s)
{
	if (!s || --s->n_refs)
		return;
	for (unsigned i = 0; i < s->n; i++)
		dns_sign_key_free(s->keys[i]);
	free(s->folder);
	free(s);
}

static void
note_time(struct dns_keyset *s, uint32_t t, uint32_t now_s)
{
	if (t > now_s && (!s->next_s || t < s->next_s))
		s->next_s = t;
}

/* The key of this algorithm that was made active last.  Zone signing keys go before keys for both:
 * who has one of the former uses the latter for the DNSKEY set only. */
static const struct dns_sign_key *
zone_signer(const struct dns_keyset *s, unsigned algorithm, uint32_t now_s)
{
	const struct dns_sign_key *best = NULL;

	for (unsigned i = 0; i < s->n; i++) {
		const struct dns_sign_key *k = s->keys[i];
		bool is_zsk = !(k->flags & DNS_KEY_SEP), best_is = best && !(best->flags & DNS_KEY_SEP);

		if (k->algorithm != algorithm || !dns_sign_key_is_active(k, now_s))
			continue;
		if (!best || (is_zsk && !best_is) ||
		    (is_zsk == best_is && k->times.activate > best->times.activate))
			best = k;
	}
	return best;
}

static int
choose_signers(struct dns_keyset *s, uint32_t now_s, struct wf_err *err)
{
	static const uint8_t algorithms[] = { DNS_ALG_ECDSAP256SHA256, DNS_ALG_ED25519 };
	char text[DNS_NAME_TEXT_MAX];

	dns_name_text(s->apex.wire, text);
	for (unsigned a = 0; a < sizeof algorithms; a++) {
		const struct dns_sign_key *k = zone_signer(s, algorithms[a], now_s);

		if (k)
			s->zone_signers[s->n_zone++] = k;
	}
	/* Every published one, so that the parent's DS may name any of them, before and after a roll. */
	for (unsigned i = 0; i < s->n; i++)
		if ((s->keys[i]->flags & DNS_KEY_SEP) && dns_sign_key_is_published(s->keys[i], now_s))
			s->key_signers[s->n_key++] = s->keys[i];
	if (!s->n_zone || !s->n_key)
		return wf_err(err, -ENOKEY, "zone %s is to be signed, but no key in %s %s now; make one with: weftctl dns key generate %s --folder %s",
			      text, s->folder, s->n_zone ? "signs the DNSKEY records" : "is active", text, s->folder);
	for (unsigned i = 0; i < s->n_zone; i++) {
		bool found = false;

		for (unsigned k = 0; k < s->n_key; k++)
			found |= s->key_signers[k]->algorithm == s->zone_signers[i]->algorithm;
		/* RFC 4035 section 2.2: DNSKEY is signed with each algorithm in it. */
		if (!found)
			return wf_err(err, -ENOKEY, "zone %s: no key signing key (flags 257) of algorithm %u is published; make one with: weftctl dns key generate %s --ksk --folder %s",
				      text, s->zone_signers[i]->algorithm, text, s->folder);
	}
	return 0;
}

int
dns_keyset_load(const struct dns_name *apex, const char *folder, uint32_t ttl, uint32_t lifetime_s,
		uint32_t now_s, struct dns_keyset **ret, struct wf_err *err)
{
	struct dns_keyset *s = wf_xzalloc(sizeof *s);
	struct stat st;
	int rc;

	s->n_refs = 1;
	s->apex = *apex;
	s->folder = wf_xstrdup(folder);
	s->ttl = ttl;
	s->lifetime_s = lifetime_s;
	/* Before the files: a change meanwhile is seen the next time. */
	if (!stat(folder, &st))
		s->folder_mtime = st.st_mtim;
	rc = dns_sign_keys_read(apex, folder, s->keys, err);
	if (rc >= 0) {
		s->n = rc;
		rc = choose_signers(s, now_s, err);
	}
	if (rc < 0) {
		dns_keyset_unref(s);
		return rc;
	}
	for (unsigned i = 0; i < s->n; i++) {
		const struct dns_sign_times *t = &s->keys[i]->times;

		note_time(s, t->publish, now_s);
		note_time(s, t->activate, now_s);
		note_time(s, t->inactive, now_s);
		note_time(s, t->delete_, now_s);
		note_time(s, t->sync_publish, now_s);
		note_time(s, t->sync_delete, now_s);
	}
	*ret = s;
	return 0;
}

bool
dns_keyset_is_current(const struct dns_keyset *s, uint32_t now_s)
{
	struct stat st;

	if (s->next_s && now_s >= s->next_s)
		return false;
	/* Keys are replaced by renaming, which changes the folder. */
	return !stat(s->folder, &st) && st.st_mtim.tv_sec == s->folder_mtime.tv_sec &&
	       st.st_mtim.tv_nsec == s->folder_mtime.tv_nsec;
}
