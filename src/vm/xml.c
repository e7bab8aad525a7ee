/* SPDX-License-Identifier: MIT */
#include "vm/xml.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xmlsave.h>
#include <limits.h>
#include <string.h>

static const xmlChar *
to_xml(const char *s)
{
    return (const xmlChar *)s;
}

static int
words_of(xmlParserCtxt *ctxt, struct err *e)
{
    const xmlError *why = xmlCtxtGetLastError(ctxt);
    const char *words = why && why->message ? why->message : "it is not XML";

    return err_set(e, -EINVAL, "line %d of the domain's XML: %.*s", why ? why->line : 0,
                   (int)strcspn(words, "\n"), words);
}

int
xml_parse(const char *text, xmlDoc **ret, struct err *e)
{
    const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
    const size_t len = strlen(text);
    xmlParserCtxt *ctxt;
    xmlDoc *doc;
    int rc = 0;

    if (len > XML_MOST_BYTES)
        return err_set(e, -EFBIG, "the domain's XML is larger than 16 MiB");
    ctxt = xmlNewParserCtxt();
    if (!ctxt)
        return err_set(e, -ENOMEM, "out of memory");
    doc = xmlCtxtReadMemory(ctxt, text, (int)len, NULL, NULL, options);
    if (!doc)
        rc = words_of(ctxt, e);
    else if (doc->intSubset)
        rc = err_set(e, -EINVAL, "the domain's XML has a document type: no domain has");
    xmlFreeParserCtxt(ctxt);
    if (rc == 0)
        *ret = doc;
    else if (doc)
        xmlFreeDoc(doc);
    return rc;
}

/* What the saving functions wrote, as a string of ours. */
static char *
buffer_text(xmlBuffer *buf, xmlSaveCtxt *save, bool saved)
{
    char *text = NULL;

    if (save && xmlSaveClose(save) >= 0 && saved)
        text = strdup((const char *)xmlBufferContent(buf));
    xmlBufferFree(buf);
    return text;
}

char *
xml_text(xmlDoc *doc, const char *like)
{
    const int options = strncmp(like, "<?xml", 5) == 0 ? 0 : XML_SAVE_NO_DECL;
    xmlBuffer *buf = xmlBufferCreate();
    xmlSaveCtxt *save = buf ? xmlSaveToBuffer(buf, "UTF-8", options) : NULL;

    if (!buf)
        return NULL;
    return buffer_text(buf, save, save && xmlSaveDoc(save, doc) >= 0);
}

char *
xml_node_text(xmlNode *node)
{
    xmlBuffer *buf = xmlBufferCreate();
    xmlSaveCtxt *save = buf ? xmlSaveToBuffer(buf, "UTF-8", XML_SAVE_NO_DECL) : NULL;

    if (!buf)
        return NULL;
    return buffer_text(buf, save, save && xmlSaveTree(save, node) >= 0);
}

static xmlNode *
element_from(xmlNode *node, const char *name)
{
    for (; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE || node->ns)
            continue;
        if (!name || xmlStrEqual(node->name, to_xml(name)))
            return node;
    }
    return NULL;
}

xmlNode *
xml_child(const xmlNode *parent, const char *name)
{
    return parent ? element_from(parent->children, name) : NULL;
}

xmlNode *
xml_next(const xmlNode *node, const char *name)
{
    return element_from(node->next, name);
}

xmlNode *
xml_first_element(const xmlNode *parent)
{
    return xml_child(parent, NULL);
}

xmlNode *
xml_next_element(const xmlNode *node)
{
    return xml_next(node, NULL);
}

/* An attribute's text is one node: without a document type there are no entities in between. */
const char *
xml_attr(const xmlNode *node, const char *name)
{
    const xmlAttr *attr = node ? xmlHasNsProp(node, to_xml(name), NULL) : NULL;

    if (!attr)
        return NULL;
    return attr->children ? (const char *)attr->children->content : "";
}

bool
xml_attr_is(const xmlNode *node, const char *name, const char *value)
{
    const char *has = xml_attr(node, name);

    return has && strcmp(has, value) == 0;
}

bool
xml_attr_number(const xmlNode *node, const char *name, unsigned *ret)
{
    const char *text = xml_attr(node, name);
    unsigned long v;
    char *end;

    if (!text || !isdigit((unsigned char)*text))
        return false;
    errno = 0;
    v = strtoul(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
    if (*end || errno || v > UINT_MAX)
        return false;
    *ret = (unsigned)v;
    return true;
}
