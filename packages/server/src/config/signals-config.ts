import { isIP } from 'node:net';
import {
  AttributeName,
  AttributeType,
  AttributeValue,
  oneOf,
  SourceName,
  StreamName,
  SubjectId,
} from '@portcullis/contract';
import { z } from 'zod';
import { Duration, durationMs } from './duration.ts';

const expression = z.string().min(1).max(2_000);
const fileName = z.string().min(1).max(4_096);

/** What may be held: no signal cuts who runs the fleet. */
const HeldKind = oneOf(['device', 'gateway', 'shipment', 'checkpoint']);

const May = z.strictObject({
  /** The attributes that it may hold, each with the values that it may hold them at. */
  attributes: z.record(AttributeName, z.array(AttributeValue).min(1).max(64)).default({}),
  /** `suspend`: it may suspend certificates. */
  standings: z.array(z.literal('suspend')).max(1).default([]),
  /** The kinds of subjects that it may hold. */
  kinds: z.array(HeldKind).min(1).default(['device', 'shipment']),
  /** Those subjects alone: ids, or the beginning of ids and a `*`. Left out: any of those kinds. */
  subjects: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}\*?$|^\*$/, 'must be an id, or the beginning of one and *'))
    .min(1)
    .max(1_000)
    .optional(),
});

/** `person`, `resolved` or a duration. */
const Until = z
  .string()
  .transform((text, context): { lifts: 'person' | 'resolved' } | { lifts: 'time'; ms: number } => {
    if (text === 'person' || text === 'resolved') return { lifts: text };
    const ms = durationMs(text);
    if (ms !== undefined && ms > 0) return { lifts: 'time', ms };
    context.addIssue({
      code: 'custom',
      message: `must be person, resolved or a duration like 90s, 15m, 1h or 7d; "${text}" is none of them`,
    });
    return z.NEVER;
  });

const Limit = z.string().transform((text, context) => {
  const [, count, time = ''] = /^(\d{1,6}) in (\S+)$/.exec(text) ?? [];
  const withinMs = durationMs(time);
  if (count !== undefined && Number(count) > 0 && withinMs) return { count: Number(count), withinMs };
  context.addIssue({ code: 'custom', message: `must be like "100 in 10m"; "${text}" is not` });
  return z.NEVER;
});

const Reaction = z
  .strictObject({
    /** CEL over `alert`: whether this reaction follows. */
    on: expression,
    /** CEL over `alert` that gives the id of the subject. */
    subject: expression,
    /** The attributes that are held, and at what. */
    hold: z.record(AttributeName, AttributeValue).optional(),
    /** Its certificates are suspended. */
    suspend: z.literal(true).optional(),
    /** CEL over `alert` that gives the words for the journal. */
    reason: expression.optional(),
    /** What ends the hold: `person`, `resolved`, or a duration. */
    until: Until.prefault('person'),
    /** How long an alert must be resolved, and not fire again, before that counts. */
    settle: Duration.prefault('5m'),
    proof: z
      .strictObject({
        /** A stream that admits the subject while it is held. */
        stream: StreamName,
        /** CEL over `reading`, `subject` and `attributes` that is true where all is well. */
        inside: expression,
      })
      .optional(),
  })
  .refine(({ hold, suspend }) => suspend || Object.keys(hold ?? {}).length > 0, 'must have "hold", "suspend" or both')
  .refine(({ proof, until }) => !proof || until.lifts === 'resolved', '"proof" needs "until: resolved"')
  .refine(({ proof, suspend }) => !proof || !suspend, 'a suspended device proves nothing; "proof" needs "hold" alone');

/** An address, or a network in CIDR. */
const Network = z.string().refine((text) => {
  const [address = '', bits, ...rest] = text.split('/');
  const most = isIP(address) === 6 ? 128 : 32;
  return (
    isIP(address) !== 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most))
  );
}, 'must be an address, or a network like 192.0.2.0/24');

export const SourceInFile = z
  .strictObject({
    /** The subject (kind `monitor`) whose certificate the sender has; it sends to the API. */
    certificate: SubjectId.optional(),
    /** A file beside this one with the secret that each delivery is signed with (Standard Webhooks). */
    hmac: fileName.optional(),
    /** A file beside this one with the SHA-256 of a token, in hex. */
    bearer: fileName.optional(),
    /** Addresses or networks that the sender may come from, where it has no certificate. Left out: this machine alone. */
    from: z.array(Network).max(64).default([]),
    /** What it sends. */
    format: oneOf(['alertmanager', 'grafana', 'cloudevents', 'json']),
    /** What its reactions may do, and to whom; what is not here they may not. */
    may: May,
    /** How many subjects it may cut within a time; what is beyond waits for a person. */
    limit: Limit.prefault('100 in 10m'),
    reconcile: z
      .strictObject({
        /** Where the API of Alertmanager is (`GET /api/v2/alerts`): it is asked what became of alerts that fire. */
        url: z.url({ protocol: /^https?$/, message: 'must be an http or https address' }),
        /** It may have a loopback, link-local or private address. */
        allowPrivate: z.boolean().default(false),
        /** How often it is asked. */
        every: Duration.prefault('1m'),
      })
      .optional(),
    /** What follows from an alert; all that match do. */
    reactions: z.array(Reaction).max(256),
  })
  .refine(
    ({ certificate, hmac, bearer }) => [certificate, hmac, bearer].filter((one) => one !== undefined).length === 1,
    'must have one of "certificate", "hmac" and "bearer"',
  )
  .refine(
    ({ hmac, format }) => hmac === undefined || format === 'cloudevents' || format === 'json',
    'what "hmac" signs must have the format cloudevents or json',
  )
  .refine(
    ({ certificate, from }) => certificate === undefined || from.length === 0,
    'a source with "certificate" comes from anywhere; "from" is for "hmac" and "bearer"',
  )
  .refine(({ format, reconcile }) => !reconcile || format === 'alertmanager', '"reconcile" asks Alertmanager alone')
  .superRefine(({ may, reactions }, context) => {
    for (const [index, { hold = {}, suspend }] of reactions.entries()) {
      const refuse = (key: string, message: string) =>
        context.addIssue({ code: 'custom', message, path: ['reactions', index, key] });
      if (suspend && !may.standings.includes('suspend')) refuse('suspend', '"may.standings" does not have suspend');
      for (const [name, value] of Object.entries(hold) as [AttributeName, AttributeValue][]) {
        if (!may.attributes[name]?.includes(value))
          refuse('hold', `${name}=${JSON.stringify(value)} is not in "may.attributes"`);
      }
    }
  });
export type SourceInFile = z.infer<typeof SourceInFile>;
export type ReactionInFile = SourceInFile['reactions'][number];

export const SignalsSection = z.record(SourceName, SourceInFile);
export type SignalsConfig = z.infer<typeof SignalsSection>;

/** A type by itself, or with the order of its values. */
const DeclaredAttribute = z.union([
  AttributeType.transform((type) => ({ type, order: undefined })),
  z
    .strictObject({
      /** Of all values of this name. */
      type: AttributeType.optional(),
      /** Its values from the least strict to the strictest: of several holds the strictest counts. */
      order: z.array(AttributeValue).min(1).max(64),
    })
    .transform(({ type, order }) => ({ type: type ?? (typeof order[0] as AttributeType), order }))
    .refine(({ type, order }) => order.every((value) => typeof value === type), '"order" must have values of one type')
    .refine(({ order }) => new Set(order).size === order.length, '"order" names a value twice'),
]);
export const AttributesSection = z.record(AttributeName, DeclaredAttribute);
