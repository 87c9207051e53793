/* SPDX-License-Identifier: Apache-2.0 */
/* "weft-glb place", also behind "weftctl glb place". */
#ifndef WEFT_GLB_PLACE_H
#define WEFT_GLB_PLACE_H

/* argv[0] is "place".  Returns the exit code. */
int glb_place_main(int argc, char *argv[]);

#endif
