// SPDX-License-Identifier: Apache-2.0
/* The text of an own map, and of a file of round-trip times (docs/policy.md):
 *
 *   # comment
 *   192.0.2.0/24    eu-west
 *   198.51.100.0/24 -  country=DE city=Berlin lat=52.5 lon=13.4 asn=64500    own map
 *   203.0.113.0/24  fra=12.5 iad=93                                          RTT file: SITE=MS
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "policy/location_internal.h"

#define MAX_WORDS     40 /* on a line: a prefix and what is said of it */
#define MAX_RTT	      32
#define MAX_FILE_SIZE ((size_t)1 << 30)

/* A finite number within the limits, the whole word. */
static bool
number(const char *text, double min, double max, double *ret)
{
	char *end;

	if (!strchr("+-.0123456789", text[0]) || strpbrk(text, "xXpP"))
		return false;
	*ret = strtod(text, &end);
	return end != text && !*end && isfinite(*ret) && *ret >= min && *ret <= max;
}

static bool
is_name(const char *s)
{
	for (const char *p = s; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
		    !(*p >= '0' && *p <= '9') && !strchr("-_./:", *p))
			return false;
	return s[0] && strlen(s) < 128;
}

static int
parse_attribute(struct loc_info *info, unsigned *has, const char *key, const char *value,
		const char *where, struct wf_err *err)
{
	double d;

	if (!strcmp(key, "lat")) {
		*has |= 1;
		return number(value, -90, 90, &info->lat)
			       ? 0
			       : wf_err(err, -EINVAL,
					"%s: lat=%.40s: a latitude is -90 to 90 degrees", where,
					value);
	}
	if (!strcmp(key, "lon")) {
		*has |= 2;
		return number(value, -180, 180, &info->lon)
			       ? 0
			       : wf_err(err, -EINVAL,
					"%s: lon=%.40s: a longitude is -180 to 180 degrees", where,
					value);
	}
	if (!strcmp(key, "asn")) {
		if (!number(value, 1, UINT32_MAX, &d) || d != floor(d))
			return wf_err(err, -EINVAL,
				      "%s: asn=%.40s: an AS number is 1 to 4294967295", where,
				      value);
		info->asn = d;
		return 0;
	}
	if (!is_name(value))
		return wf_err(err, -EINVAL,
			      "%s: %.20s=%.60s: a name has letters, digits and -_./: only", where,
			      key, value);
	if (!strcmp(key, "country"))
		info->country = value;
	else if (!strcmp(key, "continent"))
		info->continent = value;
	else if (!strcmp(key, "subdivision"))
		info->subdivision = value;
	else if (!strcmp(key, "city"))
		info->city = value;
	else
		return wf_err(
			err, -EINVAL,
			"%s: \"%.60s\" is not known; there are lat, lon, asn, country, continent, "
			"subdivision and city",
			where, key);
	return 0;
}

static int
parse_own(struct loc_entry *e, char **words, unsigned n, const char *where, struct wf_err *err)
{
	unsigned has = 0;

	if (n < 2)
		return wf_err(
			err, -EINVAL,
			"%s: %s has no region; write \"PREFIX REGION\", or \"PREFIX - key=value\" "
			"for attributes alone",
			where, words[0]);
	if (strcmp(words[1], "-")) {
		if (!is_name(words[1]))
			return wf_err(
				err, -EINVAL,
				"%s: region \"%.60s\": a name has letters, digits and -_./: only",
				where, words[1]);
		e->info.region = words[1];
	}
	for (unsigned i = 2; i < n; i++) {
		char *equals = strchr(words[i], '=');

		if (!equals)
			return wf_err(err, -EINVAL, "%s: \"%.60s\" is not key=value", where,
				      words[i]);
		*equals = '\0';
		int rc = parse_attribute(&e->info, &has, words[i], equals + 1, where, err);
		if (rc)
			return rc;
	}
	if (has && has != 3)
		return wf_err(err, -EINVAL, "%s: lat and lon belong together; %s is missing", where,
			      has == 1 ? "lon" : "lat");
	e->info.has_coords = has == 3;
	return 0;
}

static int
parse_rtt(struct loc_entry *e, struct loc_rtt *rtt, char **words, unsigned n, const char *where,
	  struct wf_err *err)
{
	if (n < 2)
		return wf_err(err, -EINVAL, "%s: %s has no times; write \"PREFIX SITE=MS...\"",
			      where, words[0]);
	if (n - 1 > MAX_RTT)
		return wf_err(err, -EINVAL, "%s: %u sites; at most %u count, list the nearest",
			      where, n - 1, MAX_RTT);
	for (unsigned i = 1; i < n; i++) {
		char *equals = strchr(words[i], '=');
		double ms;

		if (!equals)
			return wf_err(err, -EINVAL, "%s: \"%.60s\" is not SITE=MS", where,
				      words[i]);
		*equals = '\0';
		if (!is_name(words[i]) || !number(equals + 1, 0, 60000, &ms))
			return wf_err(err, -EINVAL, "%s: %.60s=%.20s: a time is 0 to 60000 ms",
				      where, words[i], equals + 1);
		rtt[i - 1] = (struct loc_rtt){ words[i], ms };
	}
	e->info.rtt = rtt;
	e->info.n_rtt = n - 1;
	return 0;
}

static int
parse_line(struct loc_db *db, struct loc_layer *layer, const char *file, unsigned line_number,
	   char *line, bool rtt, struct wf_err *err)
{
	struct loc_entry e = { .file = file, .line = line_number };
	struct loc_rtt times[MAX_RTT];
	char *words[MAX_WORDS], *save = NULL, where[300];
	unsigned n = 0;
	struct wf_err why;

	snprintf(where, sizeof where, "%.250s:%u", file, line_number);
	line[strcspn(line, "#")] = '\0';
	for (char *w = strtok_r(line, " \t\r", &save); w; w = strtok_r(NULL, " \t\r", &save)) {
		if (n == MAX_WORDS)
			return wf_err(err, -EINVAL, "%s: more than %u words on a line", where,
				      MAX_WORDS);
		words[n++] = w;
	}
	if (!n)
		return 0;
	if (pol_prefix_parse(words[0], &e.prefix, &why))
		return wf_err(err, -EINVAL, "%s: %s", where, why.text);
	int rc = rtt ? parse_rtt(&e, times, words, n, where, err)
		     : parse_own(&e, words, n, where, err);
	if (rc)
		return rc;
	loc_layer_add(db, layer, &e);
	return 0;
}

int
loc_map_parse(struct loc_db *db, struct loc_layer *layer, const char *file, const char *text,
	      bool rtt, struct wf_err *err)
{
	char line[4096];

	file = loc_db_string(db, file);
	for (unsigned number = 1; *text; number++) {
		size_t n = strcspn(text, "\n");

		if (n >= sizeof line)
			return wf_err(err, -EINVAL, "%s:%u: the line is longer than %zu bytes",
				      file, number, sizeof line - 1);
		memcpy(line, text, n);
		line[n] = '\0';
		int rc = parse_line(db, layer, file, number, line, rtt, err);
		if (rc)
			return rc;
		text += n + (text[n] == '\n');
	}
	return 0;
}

int
loc_map_read(struct loc_db *db, struct loc_layer *layer, const char *file, bool rtt,
	     struct wf_err *err)
{
	struct wf_str text = WF_STR_INIT;
	int rc = wf_file_read_text(file, MAX_FILE_SIZE, &text, err);

	if (!rc)
		rc = loc_map_parse(db, layer, file, wf_str_cstr(&text), rtt, err);
	wf_str_done(&text);
	return rc;
}
