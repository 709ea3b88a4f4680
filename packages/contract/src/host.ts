import { z } from 'zod';

const label = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
/** RFC 1123 §2.1: the last label is no number, so that no name can be taken for an address. Underscores are in use. */
const name = new RegExp(`^(?:${label}\\.)*(?![0-9]+$)${label}$`);

/** Where a server is, as it stands in its certificate: a DNS name in ASCII, an IPv4 or an IPv6 address. No URL, no port, no wildcard. */
export const Host = z
  .string()
  .min(1)
  .max(253)
  .refine((text) => name.test(text) || z.union([z.ipv4(), z.ipv6()]).safeParse(text).success, {
    message: 'must be a DNS name in ASCII or an address, with no scheme, port or wildcard',
  });
export const hostsMax = 32;
export const Hosts = z.array(Host).min(1).max(hostsMax);
