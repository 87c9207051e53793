/* SPDX-License-Identifier: Apache-2.0 */
/* Being a daemon the way Open vSwitch's are: --pidfile, --detach (the parent returns
 * when wf_daemon_ready() is called), --no-chdir, --monitor (restart after a crash),
 * --user, --overwrite-pidfile; run, log, db and sysconf directories from OVS_RUNDIR,
 * OVS_LOGDIR, OVS_DBDIR, OVS_SYSCONFDIR with Debian's defaults.
 */
#ifndef WEFT_BASE_DAEMON_H
#define WEFT_BASE_DAEMON_H

#include <stdbool.h>
#include <getopt.h>

#include "base/err.h"

extern const char *wf_program_name; /* basename of argv[0], as wf_daemon_init() saw it */
void wf_daemon_init(int argc, char *argv[]); /* first thing in main(); also sets comm */

const char *wf_rundir(void);
const char *wf_logdir(void);
const char *wf_dbdir(void);
const char *wf_sysconfdir(void);
const char *wf_pkgdatadir(void); /* where vswitch.ovsschema is */

/* Long options and their handler, for the program's getopt loop. */
enum {
	WF_DAEMON_OPT_FIRST = 0x1000, WF_OPT_PIDFILE = WF_DAEMON_OPT_FIRST, WF_OPT_OVERWRITE_PIDFILE,
	WF_OPT_DETACH, WF_OPT_NO_CHDIR, WF_OPT_MONITOR, WF_OPT_USER, WF_OPT_NO_SELF_CONFINEMENT,
	WF_OPT_LOG_FILE, WF_OPT_SYSLOG_TARGET, WF_OPT_SYSLOG_METHOD, WF_OPT_PEER_CA_CERT,
	WF_OPT_BOOTSTRAP_CA_CERT, WF_OPT_SSL_PROTOCOLS, WF_OPT_SSL_CIPHERS, WF_DAEMON_OPT_LAST
};
#define WF_DAEMON_LONG_OPTIONS                                                                 \
	{ "pidfile", optional_argument, NULL, WF_OPT_PIDFILE },                                \
	{ "overwrite-pidfile", no_argument, NULL, WF_OPT_OVERWRITE_PIDFILE },                  \
	{ "detach", no_argument, NULL, WF_OPT_DETACH },                                        \
	{ "no-chdir", no_argument, NULL, WF_OPT_NO_CHDIR },                                    \
	{ "monitor", no_argument, NULL, WF_OPT_MONITOR },                                      \
	{ "user", required_argument, NULL, WF_OPT_USER },                                      \
	{ "no-self-confinement", no_argument, NULL, WF_OPT_NO_SELF_CONFINEMENT },              \
	{ "verbose", optional_argument, NULL, 'v' },                                           \
	{ "log-file", optional_argument, NULL, WF_OPT_LOG_FILE },                              \
	{ "syslog-target", required_argument, NULL, WF_OPT_SYSLOG_TARGET },                    \
	{ "syslog-method", required_argument, NULL, WF_OPT_SYSLOG_METHOD },                    \
	{ "private-key", required_argument, NULL, 'p' },                                       \
	{ "certificate", required_argument, NULL, 'c' },                                       \
	{ "ca-cert", required_argument, NULL, 'C' },                                           \
	{ "peer-ca-cert", required_argument, NULL, WF_OPT_PEER_CA_CERT },                      \
	{ "bootstrap-ca-cert", required_argument, NULL, WF_OPT_BOOTSTRAP_CA_CERT },            \
	{ "ssl-protocols", required_argument, NULL, WF_OPT_SSL_PROTOCOLS },                    \
	{ "ssl-ciphers", required_argument, NULL, WF_OPT_SSL_CIPHERS }
#define WF_DAEMON_SHORT_OPTIONS "v::p:c:C:"
/* Returns 0 if 'opt' was one of the above and is dealt with, -ENOENT if it is not
 * one of them, another negative errno with 'err' if its argument is bad. */
int wf_daemon_option(int opt, const char *optarg_or_null, struct wf_err *err);

/* With --user this one (CAP_...) is kept, if it is there, and no others but those that are named likewise; without a
 * call those of a switch are kept. */
void wf_daemon_keep_capability(int capability);
/* Forks (if asked), takes the pid file's lock.  Before any thread is made and before
 * wf_loop_init(). */
int wf_daemon_start(struct wf_err *);
/* Before wf_daemon_start(): the pid file is made by wf_daemon_pidfile_make() only, as another daemon
 * has it. */
void wf_daemon_pidfile_later(void);
int wf_daemon_pidfile_make(struct wf_err *);
/* Before the end, for the next daemon to have it. */
void wf_daemon_pidfile_remove(void);
/* Tells the parent, which exits with 0; closes stdio if detached. */
void wf_daemon_ready(void);
/* Exits with 'status' and makes a waiting parent exit the same way, after
 * removing the pid file. */
void wf_daemon_exit(int status) __attribute__((noreturn));
/* Prints "PROGRAM: TEXT" to stderr and logs it at EMER, then exits with 1 as above.  For
 * main() and start-up, where an error ends the program:
 *   if (wf_daemon_start(&err))
 *           wf_fatal("%s", err.text);
 */
void wf_fatal(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Is told the text before the end, for somebody else who waits for this process.  NULL: nobody. */
void wf_fatal_hook(void (*fn)(const char *text));
/* Prints the help on the options above. */
void wf_daemon_usage(void);

#endif
