import type { Kind, Purpose } from '@portcullis/contract';

const hour = 3_600_000;
const day = 24 * hour;

export interface Profile {
  purpose: Purpose;
  lifetimeMs: number;
  /** Which issuers sign it. */
  issuer: 'device' | 'infrastructure';
}

/** How long after its end a certificate whose standing is valid may still be renewed, where its kind's profile does not say (FIELD-NOTES D6). */
export const renewalWindowMs = 90 * day;

/**
 * In the last hour of an issuer nothing is issued: no certificate outlives its issuer, and one of minutes would only be renewed
 * again and again.
 */
export const remainingMsMin = 3_600_000;

/** The authority itself has no client certificate: it is a server only. */
type ClientKind = Exclude<Kind, 'authority'>;

/** How long what a fleet signs is valid, and by which margins: all in milliseconds. A rehearsal of years passes minutes in their place. */
export interface Lifetimes {
  rootMs: number;
  issuerMs: number;
  /** The client certificate of each kind. */
  clientMs: Readonly<Record<ClientKind, number>>;
  /** The server certificates of gates, desks and the authority. */
  serverMs: number;
  /** What a desk signs public answers with. */
  publicationMs: number;
  /** The certificate on a label: it outlives any journey, since its key is gone and nobody can renew it. */
  labelMs: number;
  /** What one issuer delegates answering questions about its certificates to: short, since nobody asks about it (RFC 6960 §4.2.2.2.1). */
  ocspMs: number;
  /** A fresh certificate is valid for clocks that are behind by this much (FIELD-NOTES D8). */
  backdateMs: number;
  /** What an issuer has left before it signs nothing any more. */
  remainingMsMin: number;
  /** From then on its end is told: whoever runs the fleet has to prepare another one. */
  endsSoonMs: number;
  /** No certificate is renewed sooner than this after it was issued, or than a tenth of its lifetime. */
  renewedAfterMsMin: number;
  /** A subject gets at most one renewed certificate in this, or in a 24th of its lifetime: long before that one is due again. */
  renewedEveryMsMin: number;
}

const deviceMs = 30 * day;

export const usualLifetimes: Lifetimes = {
  rootMs: 20 * 365 * day,
  issuerMs: 10 * 365 * day,
  clientMs: {
    ...{ device: deviceMs, gateway: deviceMs, shipment: deviceMs },
    ...{ gate: 90 * day, desk: 90 * day, operator: 365 * day, monitor: 30 * day, checkpoint: 30 * day },
  },
  serverMs: 24 * hour,
  publicationMs: 30 * day,
  labelMs: 2 * 365 * day,
  ocspMs: 14 * day,
  backdateMs: hour,
  remainingMsMin,
  endsSoonMs: 365 * day,
  renewedAfterMsMin: 300_000,
  renewedEveryMsMin: 60_000,
};

const clientIssuers: Record<ClientKind, Profile['issuer']> = {
  ...({ device: 'device', gateway: 'device', shipment: 'device' } as const),
  ...({ gate: 'infrastructure', desk: 'infrastructure', operator: 'infrastructure' } as const),
  ...({ monitor: 'infrastructure', checkpoint: 'infrastructure' } as const),
};

/** What a client certificate of this kind is. */
export const clientProfile = (kind: ClientKind, { clientMs }: Lifetimes): Profile => ({
  purpose: 'client',
  lifetimeMs: clientMs[kind],
  issuer: clientIssuers[kind],
});

/** Of what is no client's certificate. */
export const profileFor = (purpose: Exclude<Purpose, 'client'>, lifetimes: Lifetimes): Profile => ({
  purpose,
  lifetimeMs: lifetimes[`${purpose}Ms`],
  issuer: purpose === 'label' ? 'device' : 'infrastructure',
});
