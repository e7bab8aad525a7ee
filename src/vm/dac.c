/* SPDX-License-Identifier: MIT */
#include "vm/dac.h"

#include "base/cleanup.h"
#include "vm/vgpu.h"
#include "vm/xml.h"

#include <ctype.h>
#include <pwd.h>
#include <string.h>

/* "+64055:+64055", "64055:64055" or "libvirt-qemu:libvirt-qemu". */
static long
uid_of_label(const char *label)
{
    _cleanup_free_ char *user = strndup(label, strcspn(label, ":"));
    const struct passwd *pw;
    const char *digits;

    if (!user)
        return VM_NO_UID;
    digits = user[0] == '+' ? user + 1 : user;
    if (isdigit((unsigned char)digits[0]) && strlen(digits) < 11 &&
        strspn(digits, "0123456789") == strlen(digits))
        return strtol(digits, NULL, 10);
    pw = getpwnam(user);
    return pw ? (long)pw->pw_uid : VM_NO_UID;
}

static long
uid_of_node(const xmlNode *node)
{
    xmlChar *label = node ? xmlNodeGetContent(node) : NULL;
    const long uid = label ? uid_of_label((const char *)label) : VM_NO_UID;

    xmlFree(label);
    return uid;
}

static long
uid_of_domain(const xmlNode *domain)
{
    for (const xmlNode *s = xml_child(domain, "seclabel"); s;
         s = xml_next(s, "seclabel")) {
        if (xml_attr_is(s, "model", "dac"))
            return uid_of_node(xml_child(s, "label"));
    }
    return VM_NO_UID;
}

static bool
is_dac(const xmlNode *secmodel)
{
    xmlChar *model = xmlNodeGetContent(xml_child(secmodel, "model"));
    const bool dac = model && strcmp((const char *)model, "dac") == 0;

    xmlFree(model);
    return dac;
}

static long
uid_of_host(const xmlNode *capabilities, const char *type)
{
    const xmlNode *host = xml_child(capabilities, "host");

    for (const xmlNode *s = xml_child(host, "secmodel"); s; s = xml_next(s, "secmodel")) {
        if (!is_dac(s))
            continue;
        for (const xmlNode *l = xml_child(s, "baselabel"); l;
             l = xml_next(l, "baselabel")) {
            if (xml_attr_is(l, "type", type))
                return uid_of_node(l);
        }
    }
    return VM_NO_UID;
}

long
dac_uid(const char *domain_xml, const char *capabilities_xml)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL, *caps = NULL;
    const xmlNode *domain;
    const char *type;
    long uid;

    if (xml_parse(domain_xml, &doc, NULL) < 0)
        return VM_NO_UID;
    domain = xmlDocGetRootElement(doc);
    uid = uid_of_domain(domain);
    if (uid != VM_NO_UID || xml_parse(capabilities_xml, &caps, NULL) < 0)
        return uid;
    type = xml_attr(domain, "type");
    return uid_of_host(xmlDocGetRootElement(caps), type ? type : "kvm");
}
