/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations for tests, with ' for ", checked against the module. */
#ifndef WEFT_TESTS_POLICY_JSON_H
#define WEFT_TESTS_POLICY_JSON_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/yang_config.h"
#include "policy/policy.h"

static struct wf_yang *test_yang;

static int
policy_try(const char *text, const struct pol *old, struct pol **ret, struct wf_err *err)
{
	char *json = wf_xasprintf("{'weft-policy-test:test': {%s}}", text);
	json_t *conf = NULL;

	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	int rc = wf_yang_load_text(test_yang, "test.json", json, &conf, err);

	if (!rc)
		rc = pol_build(json_object_get(conf, "weft-policy-test:test"), NULL, old, ret, err);
	json_decref(conf);
	free(json);
	return rc;
}

static inline struct pol *
policy_make(const char *text, const struct pol *old)
{
	struct wf_err err = { "" };
	struct pol *pol = NULL;

	if (policy_try(text, old, &pol, &err))
		fail_msg("%s", err.text);
	return pol;
}

static inline int
policy_yang(const char *dirs)
{
	struct wf_err err;

	setenv("WEFT_YANGDIR", dirs, 1);
	test_yang = wf_yang_new((const char *const[]){ "weft-policy-test", NULL }, &err);
	if (!test_yang)
		fprintf(stderr, "%s\n", err.text);
	return test_yang ? 0 : 1;
}

#endif
