// SPDX-License-Identifier: Apache-2.0
/* Another XDP program on a device, by libxdp.
 *   xdp_second attach DEVICE OBJECT PRIORITY     its first program
 *   xdp_second detach DEVICE NAME
 *   xdp_second list DEVICE                       names in the order in which they are called; fails if there is no dispatcher */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xdp/libxdp.h>

int
main(int argc, char *argv[])
{
	struct xdp_program *p = NULL;
	struct xdp_multiprog *mp;
	int dev;

	if (argc < 3)
		return 2;
	dev = (int)if_nametoindex(argv[2]);
	if (!strcmp(argv[1], "attach") && argc == 5) {
		p = xdp_program__open_file(argv[3], "xdp", NULL);
		if (libxdp_get_error(p))
			return 1;
		xdp_program__set_run_prio(p, (unsigned)atoi(argv[4]));
		return xdp_program__attach(p, dev, XDP_MODE_SKB, 0) ? 1 : 0;
	}
	mp = xdp_multiprog__get_from_ifindex(dev);
	if (libxdp_get_error(mp) || xdp_multiprog__is_legacy(mp))
		return 1;
	while ((p = xdp_multiprog__next_prog(p, mp)))
		if (!strcmp(argv[1], "list"))
			printf("%s\n", xdp_program__name(p));
		else if (argc == 4 && !strcmp(argv[3], xdp_program__name(p)))
			return xdp_program__detach(p, dev, XDP_MODE_SKB, 0) ? 1 : 0;
	return strcmp(argv[1], "list") ? 1 : 0;
}
