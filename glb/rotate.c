// SPDX-License-Identifier: Apache-2.0
/* weftctl glb rotate-key: another hash key, step by step (placement.h), with the document brought to all hosts in between. */
#include "glb/place.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "glb/placement.h"

#define SETTLE_S 60
#define KEEP_S	 86400

struct rotate {
	const char *document, *deploy;
	int64_t every_s, settle_s, keep_s; /* every: 0: now */
	bool end, cut;
};

static void
usage(FILE *f)
{
	fputs("usage: rotate-key [OPTIONS] DOCUMENT\n"
	      "Takes the next step of a change of the hash key: prepare, switch, end.\n"
	      "  --deploy COMMAND     after each step run COMMAND with the document; it returns when all hosts have it in force\n"
	      "  --every TIME         take the steps that are due, if the key is that old; for a timer (90s, 15m, 12h, 7d)\n"
	      "  --settle TIME        from prepared to switched, without --deploy (60s)\n"
	      "  --keep TIME          how long flows are looked for by the key before, with --every (24h)\n"
	      "  --end                the flows of the key before have ended: forget it\n"
	      "  --cut                go on even if connections are cut\n", f);
}

static int
deploy(const struct rotate *r, struct wf_err *err)
{
	char *command;
	int rc;

	if (!r->deploy)
		return 0;
	fflush(stdout);
	/* The document's name is an argument, whatever characters it has. */
	setenv("WEFT_DOCUMENT", r->document, 1);
	command = wf_xasprintf("%s \"$WEFT_DOCUMENT\"", r->deploy);
	rc = system(command);
	free(command);
	if (rc == 0)
		return 0;
	return wf_err(err, -EIO, "%s: failed (%d): the step is in %s, but maybe not everywhere: bring it there before the next",
		      r->deploy, WIFEXITED(rc) ? WEXITSTATUS(rc) : -1, r->document);
}

static int
step(const struct rotate *r, struct placement *p, int64_t now, struct wf_err *err)
{
	static const char *const said[] = {
		[PLC_KEY_ONE] = "the key before is forgotten",
		[PLC_KEY_PREPARED] = "the next key is prepared: new flows are still placed by the old one",
		[PLC_KEY_SWITCHED] = "new flows are placed by the new key, flows of the old one are kept",
	};
	int rc = plc_key_next(p, now, r->cut, err);

	rc = rc ? rc : plc_save(p, r->document, err);
	if (rc)
		return rc;
	printf("document %u: %s\n", p->number, said[p->key_step]);
	return deploy(r, err);
}

/* Seconds until the next step is due. */
static int64_t
wait_for(const struct rotate *r, const struct placement *p, int64_t now)
{
	int64_t age = now - p->key_since;

	return (p->key_step == PLC_KEY_ONE ? r->every_s : p->key_step == PLC_KEY_PREPARED ? r->settle_s : r->keep_s) - age;
}

static int
rotate(const struct rotate *r, struct wf_err *err)
{
	int rc = glb_lock_document(r->document, err);
	struct placement *p = rc ? NULL : plc_load(r->document, err);
	int64_t now = time(NULL);

	if (!p)
		return rc ? rc : -EINVAL;
	if (r->end && p->key_step != PLC_KEY_SWITCHED) {
		rc = wf_err(err, -EINVAL, "%s: there is no key before: the step is \"%s\"", r->document,
			    plc_key_step_name(p->key_step));
	} else if (r->end) {
		rc = step(r, p, now, err);
	} else if (r->every_s && p->key_since && wait_for(r, p, now) > 0 && !(r->deploy && p->key_step == PLC_KEY_PREPARED)) {
		printf("document %u: %s; the next step is due in %" PRId64 " s\n", p->number, plc_key_step_name(p->key_step),
		       wait_for(r, p, now));
		/* The run that switched may have failed to bring it everywhere. */
		if (r->deploy && p->key_step == PLC_KEY_SWITCHED)
			rc = deploy(r, err);
	} else if (!r->every_s && p->key_step == PLC_KEY_SWITCHED) {
		rc = wf_err(err, -EBUSY, "%s: flows are still looked for by the key before; when they have ended, --end forgets it",
			    r->document);
	} else if (r->deploy && p->key_step == PLC_KEY_PREPARED) {
		/* A run before this one may have failed to bring it everywhere. */
		rc = deploy(r, err);
		rc = rc ? rc : step(r, p, now, err);
	} else {
		rc = step(r, p, now, err);
		if (!rc && r->deploy && p->key_step == PLC_KEY_PREPARED)
			rc = step(r, p, now, err);
	}
	plc_free(p);
	return rc;
}

/* "90s", "15m", "12h", "7d" or seconds; 0: not a time. */
static int64_t
seconds(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || n < 1 || n > 100000000 || (*end && end[1]))
		return 0;
	switch (*end) {
	case '\0':
	case 's':
		return n;
	case 'm':
		return n * INT64_C(60);
	case 'h':
		return n * INT64_C(3600);
	case 'd':
		return n * INT64_C(86400);
	default:
		return 0;
	}
}

int
glb_rotate_main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "deploy", required_argument, NULL, 'p' }, { "every", required_argument, NULL, 'e' },
		{ "settle", required_argument, NULL, 's' }, { "keep", required_argument, NULL, 'k' },
		{ "end", no_argument, NULL, 'n' },	    { "cut", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
	};
	struct rotate r = { .settle_s = SETTLE_S, .keep_s = KEEP_S };
	struct wf_err err = { "" };
	int c, rc;

	optind = 1;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int64_t *time_s = c == 'e' ? &r.every_s : c == 's' ? &r.settle_s : c == 'k' ? &r.keep_s : NULL;

		if (time_s && !(*time_s = seconds(optarg))) {
			fprintf(stderr, "%s: is a time as 90s, 15m, 12h or 7d\n", optarg);
			return 2;
		}
		if (time_s)
			continue;
		switch (c) {
		case 'p':
			r.deploy = optarg;
			break;
		case 'n':
			r.end = true;
			break;
		case 'c':
			r.cut = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			return 2;
		}
	}
	if (argc - optind != 1 || (r.end && r.every_s)) {
		usage(stderr);
		return 2;
	}
	r.document = argv[optind];
	rc = rotate(&r, &err);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	return rc ? 1 : 0;
}
