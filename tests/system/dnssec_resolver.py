# SPDX-License-Identifier: Apache-2.0
"""A validating resolver with a cache, as far as a key roll can hurt it: the DNSKEY set is kept for its
TTL and checked against the trust anchors; every answer is checked with the set that is in the cache at
that moment, however old it is.

  dnssec_resolver.py SERVER ZONE ANCHORS STOP

ANCHORS is a file of DNSKEY records that is read for each new DNSKEY set; the run ends when the file
STOP is there.  Prints "NUMBER bogus BOGUS tags TAG...": answers, those that were bogus, and the keys
that had signed the others; reasons go to stderr."""
import os
import random
import sys
import time

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.zone

server, zone, anchors, stop = sys.argv[1], dns.name.from_text(sys.argv[2]), sys.argv[3], sys.argv[4]
keys, keys_until = None, 0.0


def ask(name, rdtype):
    q = dns.message.make_query(name, rdtype, want_dnssec=True, payload=1232)
    q.flags &= ~dns.flags.RD
    # A machine that is busy may lose none, but take its time.
    answer, _ = dns.query.udp_with_fallback(q, server, timeout=20)
    return answer


def find(section, name, rdtype, covers=dns.rdatatype.NONE):
    return next((s for s in section if s.name == name and s.rdtype == rdtype and s.covers == covers), None)


def check(section, rrset, with_keys):
    sigs = find(section, rrset.name, dns.rdatatype.RRSIG, rrset.rdtype)
    if sigs is None:
        raise dns.dnssec.ValidationFailure("%s %s has no signature" % (rrset.name, dns.rdatatype.to_text(rrset.rdtype)))
    dns.dnssec.validate(rrset, sigs, {zone: with_keys})
    return sigs


def trusted():
    text = open(anchors).read()
    return dns.zone.from_text(text, origin=zone, relativize=False, check_origin=False).find_rrset(zone, "DNSKEY")


def dnskeys():
    global keys, keys_until
    if time.monotonic() < keys_until:
        return keys
    answer = ask(zone, "DNSKEY").answer
    new = find(answer, zone, dns.rdatatype.DNSKEY)
    check(answer, new, trusted())
    keys, keys_until = new, time.monotonic() + new.ttl
    return keys


def one(n):
    kind = n % 4
    if kind == 0:
        sections = ask("www." + zone.to_text(), "A").answer
        rrset = find(sections, dns.name.from_text("www", zone), dns.rdatatype.A)
    elif kind == 1:
        sections = ask("geo." + zone.to_text(), "A").answer
        rrset = find(sections, dns.name.from_text("geo", zone), dns.rdatatype.A)
    elif kind == 2:
        name = dns.name.from_text("r%d" % random.getrandbits(40), zone)
        sections = ask(name, "A").authority
        rrset = find(sections, name, dns.rdatatype.NSEC)
    else:
        sections = ask(zone, "SOA").answer
        rrset = find(sections, zone, dns.rdatatype.SOA)
    if rrset is None:
        raise dns.dnssec.ValidationFailure("query %d: no such set in the answer" % n)
    return [s.key_tag for s in check(sections, rrset, dnskeys())]


n = bogus = 0
tags = set()
while not os.path.exists(stop):
    try:
        tags.update(one(n))
    except dns.dnssec.ValidationFailure as e:
        bogus += 1
        print("%d: %s" % (n, e), file=sys.stderr)
    n += 1
    time.sleep(0.005)
print(n, "bogus", bogus, "tags", *sorted(tags))
