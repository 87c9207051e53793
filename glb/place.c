// SPDX-License-Identifier: Apache-2.0
#include "glb/place.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/buf.h"
#include "base/file.h"
#include "glb/placement.h"

static void
usage(FILE *f)
{
	fputs("usage: place [OPTIONS] WANTED DOCUMENT\n"
	      "Writes the next placement document: what WANTED says, with as few slots moved as possible.\n"
	      "  --dead NAME          this server or site is gone with all its connections (repeatable)\n"
	      "  --forget-before N    no connection is left from before the moves of document N - 1\n"
	      "  --cut                go on even if connections are cut\n"
	      "  --check              say what would be done, write nothing\n", f);
}

int
glb_lock_document(const char *path, struct wf_err *err)
{
	char *name = wf_xasprintf("%s.lock", path);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0640), rc = 0;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		rc = wf_err(err, -errno, "%s: %s", name,
			    errno == EWOULDBLOCK ? "another writer is at work" : strerror(errno));
	free(name);
	return rc;
}

static int
place(const char *wanted, const char *document, const char *const dead[], size_t n_dead, uint32_t forget,
      bool cut, bool check, struct wf_err *err)
{
	struct wf_str report = WF_STR_INIT, text = WF_STR_INIT;
	struct wf_err why = { "" };
	struct placement *p = NULL;
	int rc = wf_file_read(wanted, PLC_MAX_SIZE, &text, err);

	if (!rc && !check)
		rc = glb_lock_document(document, err);
	if (rc)
		goto out;
	/* Only a document that is not there is a new one: a damaged one holds the history of live flows. */
	p = access(document, F_OK) && errno == ENOENT ? plc_new() : plc_load(document, err);
	if (!p) {
		rc = -EINVAL;
		goto out;
	}
	rc = plc_update(p, wf_str_cstr(&text), text.len, dead, n_dead, forget, cut, &report, &why);
	if (rc < 0)
		wf_err(err, rc, "%s: %s", wanted, why.text);
	else if (rc > 0 && !check)
		rc = plc_save(p, document, err);
	else if (!rc)
		wf_str_put(&report, "nothing changes\n");
	if (rc >= 0)
		printf("%sdocument %u%s\n", wf_str_cstr(&report), p->number, check ? " (not written)" : "");
out:
	wf_str_done(&report);
	wf_str_done(&text);
	plc_free(p);
	return rc < 0 ? rc : 0;
}

int
glb_place_main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "dead", required_argument, NULL, 'd' },
		{ "forget-before", required_argument, NULL, 'f' },
		{ "cut", no_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char **dead = wf_xzalloc((size_t)argc * sizeof *dead);
	bool cut = false, check = false;
	struct wf_err err = { "" };
	unsigned long forget = 0;
	size_t n_dead = 0;
	char *end;
	int c, rc;

	optind = 1;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1)
		switch (c) {
		case 'd':
			dead[n_dead++] = optarg;
			break;
		case 'f':
			forget = strtoul(optarg, &end, 10);
			if (*end || !*optarg || forget > UINT32_MAX) {
				fprintf(stderr, "--forget-before: %s: is the number of a document\n", optarg);
				free(dead);
				return 2;
			}
			break;
		case 'c':
			cut = true;
			break;
		case 'n':
			check = true;
			break;
		case 'h':
			usage(stdout);
			free(dead);
			return 0;
		default:
			free(dead);
			return 2;
		}
	if (argc - optind != 2) {
		usage(stderr);
		free(dead);
		return 2;
	}
	rc = place(argv[optind], argv[optind + 1], dead, n_dead, (uint32_t)forget, cut, check, &err);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	free(dead);
	return rc ? 1 : 0;
}
