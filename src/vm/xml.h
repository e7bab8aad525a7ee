/* SPDX-License-Identifier: MIT */
/* What the editing of domain XML needs of libxml2. Inside src/vm only. */
#ifndef TESSERA_VM_XML_H
#define TESSERA_VM_XML_H

#include "base/err.h"

#include <libxml/tree.h>
#include <stdbool.h>

#define XML_MOST_BYTES (16u << 20)

static inline void
cleanup_xml_docp(xmlDoc **doc)
{
    if (*doc)
        xmlFreeDoc(*doc);
}
#define _cleanup_xml_doc_ __attribute__((cleanup(cleanup_xml_docp)))

/*
 * Text to a tree that keeps comments and white space. -EINVAL with words when it is not XML;
 * a document type is refused, too: no domain has one, and it could define what others mean.
 */
int xml_parse(const char *text, xmlDoc **ret, struct err *e);

/* Back to text, with an XML declaration if `like` has one; NULL without memory. */
char *xml_text(xmlDoc *doc, const char *like);

/* One element and what is in it, as text; NULL without memory. */
char *xml_node_text(xmlNode *node);

/* The first child element of that name and without a namespace, or the next sibling; or NULL. */
xmlNode *xml_child(const xmlNode *parent, const char *name);
xmlNode *xml_next(const xmlNode *node, const char *name);

/* The next element of any name, among children or siblings. */
xmlNode *xml_first_element(const xmlNode *parent);
xmlNode *xml_next_element(const xmlNode *node);

/* An attribute's value inside the tree; NULL when there is none. */
const char *xml_attr(const xmlNode *node, const char *name);
bool xml_attr_is(const xmlNode *node, const char *name, const char *value);

/* A decimal or 0x… number; false when it is none. */
bool xml_attr_number(const xmlNode *node, const char *name, unsigned *ret);

#endif
