/* SPDX-License-Identifier: Apache-2.0 */
/* unixctl: "dpctl/..." commands that change the datapath.  Open vSwitch's datapath is an object with
 * ports and flows of its own; here ports belong to bridges, so those commands say what to use instead.
 * Cached flows belong to workers; a user's own flows are rules of a table before table 0 (dp_flow.h). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/unixctl.h"
#include "dataplane/worker.h"
#include "switchd/dp_flow.h"
#include "switchd/switchd.h"

static struct sw_iface *
find_iface(const char *name)
{
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges) {
		i = sw_iface_find(b, name);
		if (i && i->ofp_port != OF_PORT_NONE && !i->is_patch)
			return i;
	}
	return NULL;
}

bool
sw_is_datapath(const char *name)
{
	static const char *const names[] = { "netdev@ovs-netdev", "system@ovs-netdev", "ovs-netdev",
					     "dummy@ovs-dummy", "ovs-dummy" };

	for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
		if (!strcmp(names[k], name))
			return true;
	return false;
}

/* The port goes, its row stays: the next configuration makes it again. */
static void
on_del_if(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str errors = WF_STR_INIT;

	if (!sw_is_datapath(argv[1])) {
		unixctl_reply_error(conn, "opening datapath (No such device)");
		return;
	}
	for (int k = 2; k < argc; k++) {
		struct sw_iface *i = find_iface(argv[k]);

		if (!i) {
			wf_str_fmt(&errors, "no port named %s\n", argv[k]);
			continue;
		}
		struct sw_bridge *b = i->bridge;

		sw_iface_detach(i, false);
		sw_bridge_publish(b);
	}
	view_publish(false);
	dp_flows_sync();
	if (errors.len)
		unixctl_reply_error(conn, wf_str_cstr(&errors));
	else
		unixctl_reply(conn, NULL);
	wf_str_done(&errors);
}

static void
on_refused(struct unixctl_conn *conn, int argc, const char *argv[], void *text)
{
	unixctl_reply_error(conn, text);
}

/* --- Flows ---------------------------------------------------------------------------------------- */

struct flow_args {
	unsigned flags;
	bool statistics;
	int n;
	const char *args[2]; /* without options and the datapath */
};

/* False: replied.  Options are those of ovs-dpctl; a datapath may stand first of 'n' + 1 arguments. */
static bool
read_args(struct unixctl_conn *conn, int argc, const char *argv[], int min, int n, struct flow_args *a)
{
	struct wf_str s = WF_STR_INIT;
	int k = 1;

	memset(a, 0, sizeof *a);
	for (; k < argc && argv[k][0] == '-' && argv[k][1]; k++) {
		if (!strcmp(argv[k], "-s") || !strcmp(argv[k], "--statistics"))
			a->statistics = true;
		else if (!strcmp(argv[k], "--may-create"))
			a->flags |= DP_FLOW_MAY_CREATE;
		else if (!strcmp(argv[k], "--clear"))
			a->flags |= DP_FLOW_ZERO_STATS;
		else if (strcmp(argv[k], "--names") && strcmp(argv[k], "--no-names") && strcmp(argv[k], "-m") &&
			 strcmp(argv[k], "--more"))
			wf_str_fmt(&s, "%s: unknown option", argv[k]);
	}
	if (!s.len && k < argc && (argc - k > n || (min == 0 && sw_is_datapath(argv[k])))) {
		if (!sw_is_datapath(argv[k]))
			wf_str_fmt(&s, "%s: datapath not found (Invalid argument)", wf_program_name);
		k++;
	}
	if (!s.len && (argc - k > n || argc - k < min))
		wf_str_fmt(&s, "\"%s\" command takes %s arguments", argv[0],
			   argc - k > n ? "fewer" : "more");
	for (; !s.len && k < argc; k++)
		a->args[a->n++] = argv[k];
	if (s.len)
		unixctl_reply_error(conn, wf_str_cstr(&s));
	wf_str_done(&s);
	return a->n >= min && (a->n > 0 || min == 0) && !s.len;
}

static void
put_stats(const struct counter *c, struct wf_str *s)
{
	wf_str_fmt(s, "packets:%" PRIu64 ", bytes:%" PRIu64 ", used:", c->packets, c->bytes);
	if (c->used_ms) {
		int64_t ms = wf_now_ms() - c->used_ms;

		wf_str_fmt(s, "%" PRId64 ".%03" PRId64 "s\n", ms / 1000, ms % 1000);
	} else {
		wf_str_put(s, "never\n");
	}
}

static void
put_error(int rc, struct wf_str *why, struct wf_str *s)
{
	wf_str_fmt(s, "%s: %s (%s)\n", wf_program_name, wf_str_cstr(why), wf_strerror(rc));
}

static void
reply(struct unixctl_conn *conn, bool failed, struct wf_str *s)
{
	if (failed)
		unixctl_reply_error(conn, wf_str_cstr(s));
	else
		unixctl_reply(conn, s->len ? wf_str_cstr(s) : NULL);
	wf_str_done(s);
}

static void
on_put_flow(struct unixctl_conn *conn, int argc, const char *argv[], void *is_mod)
{
	struct wf_str s = WF_STR_INIT, why = WF_STR_INIT;
	struct counter stats = { 0 };
	struct flow_args a;
	int rc;

	if (!read_args(conn, argc, argv, 2, 2, &a))
		return;
	rc = dp_flow_put(a.args[0], a.args[1],
			 is_mod ? a.flags | DP_FLOW_MAY_MODIFY : DP_FLOW_MAY_CREATE, &stats, &why);
	if (rc)
		put_error(rc, &why, &s);
	else if (a.statistics)
		put_stats(&stats, &s);
	wf_str_done(&why);
	reply(conn, rc != 0, &s);
}

static void
on_del_flow(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT, why = WF_STR_INIT;
	struct counter stats = { 0 };
	struct flow_args a;
	int rc;

	if (!read_args(conn, argc, argv, 1, 1, &a))
		return;
	rc = dp_flow_del(a.args[0], &stats, &why);
	if (rc)
		put_error(rc, &why, &s);
	if (rc == -ENOENT)
		wf_str_put(&s, "Perhaps you need to specify a UFID?\n");
	if (!rc && a.statistics)
		put_stats(&stats, &s);
	wf_str_done(&why);
	reply(conn, rc != 0, &s);
}

enum file_command { FILE_ADD, FILE_MOD, FILE_DEL };

/* "[add|modify|delete] flow [actions]"; false: it is not that. */
static bool
do_line(char *line, enum file_command command, struct wf_str *s)
{
	static const char *const words[] = { "add", "modify", "delete" };
	struct wf_str why = WF_STR_INIT;
	char *flow, *actions;
	int rc;

	line += strspn(line, " \t\r\n");
	size_t n = strcspn(line, ", \t\r\n");

	for (unsigned k = 0; k < 3; k++)
		if (strlen(words[k]) == n && !strncmp(words[k], line, n)) {
			command = k;
			line += n;
			break;
		}
	flow = line + strspn(line, " ,\t\r\n");
	actions = flow + strcspn(flow, " \t\r\n");
	if (*actions)
		*actions++ = '\0';
	actions += strspn(actions, " \t\r\n");
	if (!*flow || (command == FILE_DEL) != !*actions)
		return false;
	if (command == FILE_DEL)
		rc = dp_flow_del(flow, NULL, &why);
	else
		rc = dp_flow_put(flow, actions,
				 command == FILE_MOD ? DP_FLOW_MAY_MODIFY : DP_FLOW_MAY_CREATE, NULL, &why);
	if (rc)
		put_error(rc, &why, s);
	wf_str_done(&why);
	return true;
}

#define FILE_MAX (4u << 20)

/* NULL: 'errno' says why. */
static FILE *
open_file(const char *name)
{
	int fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return NULL;
	/* Main must not wait for a pipe. */
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		close(fd);
		errno = st.st_size > FILE_MAX ? EFBIG : EINVAL;
		return NULL;
	}
	return fdopen(fd, "r");
}

/* Lines that are wrong are told and do not keep the others from being done, as in Open vSwitch. */
static void
do_file(struct unixctl_conn *conn, const char *name, enum file_command command)
{
	struct wf_str s = WF_STR_INIT;
	unsigned number = 0;
	char *line = NULL;
	size_t room = 0;
	FILE *f = open_file(name);

	if (!f) {
		wf_str_fmt(&s, "%s: Opening file \"%s\" failed (%s)", wf_program_name, name,
			   wf_strerror(-errno));
		reply(conn, true, &s);
		return;
	}
	while (getline(&line, &room, f) >= 0) {
		number++;
		line[strcspn(line, "#")] = '\0';
		if (!line[strspn(line, " \t\r\n")])
			continue;
		if (!do_line(line, command, &s))
			wf_str_fmt(&s, "%s: Failed parsing line number %u, skipped!\n", wf_program_name,
				   number);
	}
	free(line);
	fclose(f);
	reply(conn, false, &s);
}

static void
on_file(struct unixctl_conn *conn, int argc, const char *argv[], void *command)
{
	struct flow_args a;

	if (read_args(conn, argc, argv, 1, 1, &a))
		do_file(conn, a.args[0], (enum file_command)(uintptr_t)command);
}

/* All, the caches' too; or those of a file. */
static void
on_del_flows(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct flow_args a;

	if (!read_args(conn, argc, argv, 0, 1, &a))
		return;
	if (a.n) {
		do_file(conn, a.args[0], FILE_DEL);
		return;
	}
	dp_flows_clear();
	workers_purge_flows();
	unixctl_reply(conn, NULL);
}

#define PORTS "ports belong to bridges: use ovs-vsctl"

void
sw_appctl_dpctl_init(void)
{
	static const struct {
		const char *name, *usage;
		int min;
		const char *text;
	} refused[] = {
		{ "dpctl/add-dp", "dp [iface...]", 1, PORTS " add-br" },
		{ "dpctl/del-dp", "dp", 1, PORTS " del-br" },
		{ "dpctl/add-if", "dp iface...", 2, PORTS " add-port" },
		{ "dpctl/set-if", "dp iface...", 2, PORTS " set interface" },
		{ "dpctl/cache-get-size", "[dp]", 0, "the flow cache has a fixed size" },
		{ "dpctl/cache-set-size", "dp cache <size>", 3, "the flow cache has a fixed size" },
	};

	for (size_t k = 0; k < sizeof refused / sizeof refused[0]; k++)
		unixctl_command(refused[k].name, refused[k].usage, refused[k].min, 99, on_refused,
				(void *)refused[k].text);
	unixctl_command_list("dpctl/list-commands", "dpctl/");
	unixctl_command("dpctl/del-if", "dp iface...", 2, 99, on_del_if, NULL);
	unixctl_command("dpctl/add-flow", "[dp] flow actions", 2, 99, on_put_flow, NULL);
	unixctl_command("dpctl/mod-flow", "[dp] flow actions", 2, 99, on_put_flow, (void *)1);
	unixctl_command("dpctl/del-flow", "[dp] flow", 1, 99, on_del_flow, NULL);
	unixctl_command("dpctl/add-flows", "[dp] file", 1, 99, on_file, (void *)FILE_ADD);
	unixctl_command("dpctl/mod-flows", "[dp] file", 1, 99, on_file, (void *)FILE_MOD);
	unixctl_command("dpctl/del-flows", "[dp] [file]", 0, 99, on_del_flows, NULL);
}
