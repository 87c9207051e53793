/* SPDX-License-Identifier: Apache-2.0 */
/* Doubly linked intrusive list.  'struct wf_list' is both head and node. */
#ifndef WEFT_BASE_LIST_H
#define WEFT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct wf_list {
	struct wf_list *prev, *next;
};

#define wf_container(PTR, TYPE, MEMBER) ((TYPE *)((char *)(PTR) - offsetof(TYPE, MEMBER)))

static inline void
wf_list_init(struct wf_list *l)
{
	l->prev = l->next = l;
}

static inline void
wf_list_insert(struct wf_list *before, struct wf_list *elem)
{
	elem->prev = before->prev;
	elem->next = before;
	before->prev->next = elem;
	before->prev = elem;
}

static inline void
wf_list_push_back(struct wf_list *l, struct wf_list *elem)
{
	wf_list_insert(l, elem);
}

static inline void
wf_list_push_front(struct wf_list *l, struct wf_list *elem)
{
	wf_list_insert(l->next, elem);
}

/* Unlinks 'elem' and leaves it an empty list, so that removing twice is harmless. */
static inline void
wf_list_remove(struct wf_list *elem)
{
	elem->prev->next = elem->next;
	elem->next->prev = elem->prev;
	wf_list_init(elem);
}

static inline bool
wf_list_is_empty(const struct wf_list *l)
{
	return l->next == l;
}

static inline struct wf_list *
wf_list_pop_front(struct wf_list *l)
{
	struct wf_list *e = l->next;
	wf_list_remove(e);
	return e;
}

#define wf_list_for_each(IT, MEMBER, LIST)                                                     \
	for (IT = wf_container((LIST)->next, __typeof__(*IT), MEMBER); &IT->MEMBER != (LIST);  \
	     IT = wf_container(IT->MEMBER.next, __typeof__(*IT), MEMBER))
/* The body may remove and free IT. */
#define wf_list_for_each_safe(IT, NEXT, MEMBER, LIST)                                          \
	for (IT = wf_container((LIST)->next, __typeof__(*IT), MEMBER),                         \
	    NEXT = wf_container(IT->MEMBER.next, __typeof__(*IT), MEMBER);                     \
	     &IT->MEMBER != (LIST);                                                            \
	     IT = NEXT, NEXT = wf_container(IT->MEMBER.next, __typeof__(*IT), MEMBER))

#endif
