import type { Kind, Purpose } from '@portcullis/contract';

const hour = 3_600_000;
const day = 24 * hour;

export interface Profile {
  purpose: Purpose;
  lifetimeMs: number;
  /** Which issuers sign it. */
  issuer: 'device' | 'infrastructure';
}

/** A fresh certificate is valid for clocks that are behind by this much (FIELD-NOTES D8). */
export const backdateMs = hour;
/** How long after its end a certificate whose standing is valid may still be renewed, where its kind's profile does not say (FIELD-NOTES D6). */
export const renewalWindowMs = 90 * day;

/**
 * In the last hour of an issuer nothing is issued: no certificate outlives its issuer, and one of minutes would only be renewed
 * again and again.
 */
export const remainingMsMin = 3_600_000;
/** No certificate is renewed sooner than this after it was issued, or than a tenth of its lifetime. */
export const renewedAfterMsMin = 300_000;
/** A subject gets at most one renewed certificate in a minute, or in a 24th of its lifetime: long before that one is due again. */
export const renewedEveryMs = ({ notBefore, notAfter }: { notBefore: number; notAfter: number }) =>
  Math.max(60_000, (notAfter - notBefore) / 24);
/** From then on its end is told: whoever runs the fleet has to prepare another one. */
export const issuerEndsSoonMs = 365 * day;

export const rootLifetimeMs = 20 * 365 * day;
export const issuerLifetimeMs = 10 * 365 * day;

const infrastructure = (lifetimeMs: number): Profile => ({
  purpose: 'client',
  lifetimeMs,
  issuer: 'infrastructure',
});
const device: Profile = { purpose: 'client', lifetimeMs: 30 * day, issuer: 'device' };

/** What a client certificate of each kind is. The authority itself is a server only. */
export const profiles: Record<Exclude<Kind, 'authority'>, Profile> = {
  device,
  gateway: device,
  shipment: device,
  gate: infrastructure(90 * day),
  desk: infrastructure(90 * day),
  operator: infrastructure(365 * day),
  monitor: infrastructure(30 * day),
  checkpoint: infrastructure(30 * day),
};

/** The server certificates of gates, desks and the authority. */
export const serverLifetimeMs = 24 * hour;
export const serverProfile: Profile = { purpose: 'server', lifetimeMs: serverLifetimeMs, issuer: 'infrastructure' };

/** What a desk signs public answers with: good for that and nothing else. */
export const publicationProfile: Profile = {
  purpose: 'publication',
  lifetimeMs: 30 * day,
  issuer: 'infrastructure',
};

/** The certificate on a label: it outlives any journey, since its key is gone and nobody can renew it. */
export const labelProfile: Profile = { purpose: 'label', lifetimeMs: 2 * 365 * day, issuer: 'device' };

/** What one issuer delegates answering questions about its certificates to: short, since nobody asks about it (RFC 6960 §4.2.2.2.1). */
export const ocspProfile: Profile = { purpose: 'ocsp', lifetimeMs: 14 * day, issuer: 'infrastructure' };
