// SPDX-License-Identifier: Apache-2.0
#include "openflow/error.h"

#include <stdbool.h>
#include <string.h>

#define VENDOR_NX 0x00002320
#define VENDOR_ONF 0x4f4e4600

/* Where a row's numbers hold; 'first' is 0 in the unused rest of a row. */
struct where {
	uint32_t vendor;
	uint8_t first, last; /* as in ofp_header.version */
	uint16_t type, code;
};

#define MAX_WHERE 5
struct row {
	const char *name;
	struct where where[MAX_WHERE];
};

#define WHERE(VENDOR, FIRST, LAST, TYPE, CODE) { VENDOR, (FIRST) - 9, (LAST) - 9, TYPE, CODE }
#define STD(FIRST, LAST, TYPE, CODE) WHERE(0, FIRST, LAST, TYPE, CODE)
#define NX(FIRST, LAST, TYPE, CODE) WHERE(VENDOR_NX, FIRST, LAST, TYPE, CODE)
#define ONF(FIRST, LAST, TYPE, CODE) WHERE(VENDOR_ONF, FIRST, LAST, TYPE, CODE)
static const struct row rows[] = {
#define OF_ERROR(NAME, ...) { #NAME, { __VA_ARGS__ } },
#include "openflow/errors.def"
#undef OF_ERROR
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static bool
is_row(of_err_t err)
{
	return err >= OF_ERR_BASE && err < OF_ERR_LAST_;
}

const char *
of_err_name(of_err_t err)
{
	return is_row(err) ? rows[err - OF_ERR_BASE].name : strerror(err < 0 ? -err : err);
}

int
of_err_code(of_err_t err, uint8_t version, struct of_err_code *ret_code)
{
	if (!is_row(err))
		return -1;
	for (int i = 0; i < MAX_WHERE; i++) {
		const struct where *w = &rows[err - OF_ERR_BASE].where[i];

		if (w->first && version >= w->first && version <= w->last) {
			*ret_code = (struct of_err_code){ w->vendor, w->type, w->code };
			return 0;
		}
	}
	return -1;
}

of_err_t
of_err_from_code(const struct of_err_code *c, uint8_t version)
{
	for (size_t r = 0; r < N_ROWS; r++) {
		for (int i = 0; i < MAX_WHERE && rows[r].where[i].first; i++) {
			const struct where *w = &rows[r].where[i];

			if (version >= w->first && version <= w->last && w->vendor == c->vendor &&
			    w->type == c->type && w->code == c->code)
				return OF_ERR_BASE + (of_err_t)r;
		}
	}
	return 0;
}
