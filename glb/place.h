/* SPDX-License-Identifier: Apache-2.0 */
/* "weft-glb place", also behind "weftctl glb place". */
#ifndef WEFT_GLB_PLACE_H
#define WEFT_GLB_PLACE_H

/* argv[0] is "place".  Returns the exit code. */
int glb_place_main(int argc, char *argv[]);

/* weftctl glb rotate-key: the next step of a change of the hash key (rotate.c).  Returns an exit code. */
int glb_rotate_main(int argc, char *argv[]);

struct wf_err;
/* One writer at a time: the lock is held until the process ends. */
int glb_lock_document(const char *path, struct wf_err *);

#endif
