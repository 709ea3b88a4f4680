import type { X509Certificate } from 'node:crypto';

/** The right time is somewhere in it; milliseconds since 1970. */
export interface Moment {
  from: number;
  until: number;
}

/** Whether there is a time in it at which all of the certificates are valid. */
export function areValidWithin(certificates: readonly X509Certificate[], { from, until }: Moment): boolean {
  const begin = Math.max(from, ...certificates.map(({ validFromDate }) => +validFromDate));
  const end = Math.min(until, ...certificates.map(({ validToDate }) => +validToDate));
  return begin <= end;
}
