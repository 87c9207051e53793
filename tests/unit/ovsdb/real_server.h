/* SPDX-License-Identifier: Apache-2.0 */
/* The stock ovsdb-server in a folder of its own, for tests. */
#ifndef WEFT_TESTS_OVSDB_REAL_SERVER_H
#define WEFT_TESTS_OVSDB_REAL_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

extern char real_dir[64];     /* the folder; also OVS_RUNDIR, OVS_LOGDIR, OVS_DBDIR */
extern char real_remote[128]; /* unix:FOLDER/db.sock */

/* Makes the folder and sets the environment; false if the programs are not installed. */
bool real_init(void);
void real_done(void); /* stops the server, removes the folder */

/* Makes an empty initialised database; starts; stops by a signal. */
void real_create(void);
void real_start(void);
void real_stop(int signum);

/* Runs a shell command; returns its output (static buffer, last newline cut).  Fails the test
 * if it exits with something else than 0. */
const char *real_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* ovs-vsctl --no-wait with these arguments. */
const char *real_vsctl(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ovs-appctl to the server that real_start() started. */
const char *real_appctl(const char *command);

/* Turns the loop until '*flag' or 'ms' have passed; returns if the flag was seen. */
bool real_wait(const bool *flag, int ms);
/* Turns it for 'ms'. */
void real_spin(int ms);
#define real_until(CONDITION, MS)                                                              \
	({                                                                                     \
		int left_ = (MS) / 2;                                                          \
		while (!(CONDITION) && left_-- > 0)                                            \
			real_spin(2);                                                          \
		(CONDITION);                                                                   \
	})

#endif
