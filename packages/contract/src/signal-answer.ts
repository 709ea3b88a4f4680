import { z } from 'zod';
import { Receipt } from './changes.ts';
import { oneOf } from './one-of.ts';

/** A source of signals, as `fleet.yaml` names it. */
export const SourceName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must match [a-z0-9][a-z0-9._-]{0,62}')
  .brand<'SourceName'>();
export type SourceName = z.infer<typeof SourceName>;

/** What became of one alert of a delivery. */
export const SignalOutcome = oneOf(['held', 'refreshed', 'resolved', 'no_reaction', 'refused', 'waiting', 'repeated']);
export type SignalOutcome = z.infer<typeof SignalOutcome>;

export const SignalResult = z.object({
  /** The sender's own name of the alert; `entry N` where it has none. */
  key: z.string(),
  outcome: SignalOutcome,
  reason: z.string().optional(),
  hold: z.string().optional(),
});
export type SignalResult = z.infer<typeof SignalResult>;

/** `POST /v1/signals/{source}`: all of it is on disk. */
export const SignalAnswer = z.object({
  /** Of the change that it made; null: nothing changed. */
  revision: z.int().nullable(),
  results: z.array(SignalResult),
  /** What an operator should know of how the sender is set up. */
  warnings: z.array(z.string()),
  /** With `?wait=all`, where something changed. */
  receipt: Receipt.optional(),
});
export type SignalAnswer = z.infer<typeof SignalAnswer>;
