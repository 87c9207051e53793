// SPDX-License-Identifier: Apache-2.0
#include "dns/import/import.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/hash.h"
#include "dns/import/internal.h"

/* A list that several names use is read several times; it is told of once. */
static void
note(struct dns_import *in, const char *file, unsigned line, const char *fmt, va_list args)
{
	struct wf_str s = WF_STR_INIT;

	wf_str_fmt(&s, "%s:%u: ", file, line);
	wf_str_vfmt(&s, fmt, args);
	wf_str_putc(&s, '\n');
	if (!strstr(wf_str_cstr(&in->notes), s.s))
		wf_str_put(&in->notes, s.s);
	wf_str_done(&s);
}

void
imp_note(struct dns_import *in, const struct imp_value *v, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	note(in, v->file, v->line, fmt, args);
	va_end(args);
}

void
imp_note_at(struct dns_import *in, const char *file, unsigned line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	note(in, file, line, fmt, args);
	va_end(args);
}

const char *
imp_name(struct imp_tree *t, const char *text)
{
	size_t len = strlen(text);
	/* What is cut off is told apart by a hash. */
	char *name = len > 63 ? imp_text(t, "%.54s-%08x", text, wf_hash_bytes(text, len, 0)) : imp_text(t, "%s", len ? text : "_");

	for (char *c = name; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-", *c))
			*c = '_';
	return name;
}

json_t *
imp_list(json_t *o, const char *key)
{
	if (!json_object_get(o, key))
		json_object_set_new(o, key, json_array());
	return json_object_get(o, key);
}

json_t *
imp_object(json_t *o, const char *key)
{
	if (!json_object_get(o, key))
		json_object_set_new(o, key, json_object());
	return json_object_get(o, key);
}

json_t *
imp_find(json_t *list, const char *name)
{
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o)
	{
		const char *have = json_string_value(json_object_get(o, "name"));

		if (have && !strcmp(have, name))
			return o;
	}
	return NULL;
}

json_t *
imp_add(json_t *list, const char *name)
{
	json_t *o = json_object();

	imp_set(o, "name", name);
	json_array_append_new(list, o);
	return o;
}

void
imp_set(json_t *o, const char *key, const char *text)
{
	json_t *v = json_string(text);

	/* Not UTF-8: no name that a client could send. */
	json_object_set_new(o, key, v ? v : json_string("?"));
}

void
imp_set_int(json_t *o, const char *key, json_int_t n)
{
	json_object_set_new(o, key, json_integer(n));
}

void
imp_append(json_t *list, const char *text)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
		if (!strcmp(json_string_value(v), text))
			return;
	json_array_append_new(list, json_string(text));
}

static bool
has_targets(struct dns_import *in, const char *pool)
{
	const json_t *list = json_object_get(imp_find(imp_list(in->dns, "pool"), pool), "member");

	return json_object_get(json_array_get(list, 0), "target") != NULL;
}

void
imp_unmix(struct dns_import *in, const struct imp_value *at, json_t *policy)
{
	json_t *candidates = json_object_get(policy, "candidate"), *matches = json_object_get(policy, "match"), *m;
	const char *name = json_string_value(json_object_get(policy, "name"));
	size_t n_targets = 0, n = json_array_size(candidates), i, k;

	for (i = 0; i < n; i++)
		n_targets += has_targets(in, json_string_value(json_object_get(json_array_get(candidates, i), "pool")));
	if (!n_targets || n_targets == n)
		return;
	imp_note(in, at, "%s: is an alias for some clients and has addresses for others; here it is one of both for all, so the "
		 "aliases are not taken over", name);
	for (i = n; i-- > 0;)
		if (has_targets(in, json_string_value(json_object_get(json_array_get(candidates, i), "pool"))))
			json_array_remove(candidates, i);
	json_array_foreach(matches, i, m)
	{
		json_t *pools = json_object_get(m, "pool");

		for (k = json_array_size(pools); k-- > 0;)
			if (has_targets(in, json_string_value(json_array_get(pools, k))))
				json_array_remove(pools, k);
	}
	/* An entry without pools stands where the policy allows it. */
	for (i = json_array_size(matches); i-- > 0;)
		if (!json_array_size(json_object_get(json_array_get(matches, i), "pool")) && !json_object_get(policy, "only-matched"))
			json_array_remove(matches, i);
}

bool
imp_is_ipv4(const char *text)
{
	struct in_addr a;

	return inet_pton(AF_INET, text, &a) == 1;
}

bool
imp_is_ipv6(const char *text)
{
	struct in6_addr a;

	return inet_pton(AF_INET6, text, &a) == 1;
}

struct imp_file *
imp_file_new(struct dns_import *in, const char *name)
{
	in->files = wf_xrealloc(in->files, (in->n_files + 1) * sizeof *in->files);
	in->files[in->n_files] = (struct imp_file){ wf_xstrdup(name), WF_STR_INIT };
	return &in->files[in->n_files++];
}

void
dns_import_done(struct dns_import *in)
{
	for (size_t i = 0; i < in->n_files; i++) {
		free(in->files[i].name);
		wf_str_done(&in->files[i].text);
	}
	free(in->files);
	wf_str_done(&in->notes);
	json_decref(in->dns);
}

static int
write_all(const struct dns_import *in, const char *folder, struct wf_err *err)
{
	json_t *top = json_object();
	char *text, *path;
	int rc = 0;

	json_object_set(top, "weft-dns:dns", in->dns);
	text = json_dumps(top, JSON_INDENT(2));
	if (mkdir(folder, 0755) && errno != EEXIST)
		rc = wf_err(err, -errno, "%s: %s", folder, strerror(errno));
	for (size_t i = 0; i < in->n_files && !rc; i++) {
		path = wf_xasprintf("%s/%s", folder, in->files[i].name);
		rc = wf_file_replace(path, in->files[i].text.s, in->files[i].text.len, err);
		free(path);
	}
	path = wf_xasprintf("%s/dns.json", folder);
	rc = rc ? rc : wf_file_replace(path, text, strlen(text), err);
	free(path);
	free(text);
	json_decref(top);
	return rc;
}

int
dns_import_main(char *argv[])
{
	struct dns_import in = { .dns = NULL };
	struct wf_err err = { "" };
	int rc;

	if (strcmp(argv[0], "gdnsd") && strcmp(argv[0], "knot")) {
		fprintf(stderr, "%s: there are gdnsd and knot\n", argv[0]);
		return 2;
	}
	rc = (argv[0][0] == 'g' ? dns_import_gdnsd : dns_import_knot)(&in, argv[1], &err);
	rc = rc ? rc : write_all(&in, argv[2], &err);
	fputs(wf_str_cstr(&in.notes), stderr);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	else
		printf("%s/dns.json is written, and %zu zone files: weftctl dns check %s/dns.json\n", argv[2], in.n_files, argv[2]);
	dns_import_done(&in);
	return rc ? 1 : 0;
}
