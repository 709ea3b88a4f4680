import { randomBytes } from 'node:crypto';
import type { Message, ToldAlert } from '../src/alerts/message.ts';

export const raisedAt = Date.UTC(2030, 0, 1, 12);

export const toldAlert = (given: Partial<ToldAlert> = {}): ToldAlert => ({
  ...{ id: 'alert-1', kind: 'breach', subject: 'load-1', key: 'cold-chain load-1', at: raisedAt, settledAt: null },
  ...{ says: 'load-1 was warm for 12 minutes', detail: { rule: 'cold-chain' } },
  ...given,
});

/** What a target is told, with one alert unless it is said otherwise. */
export const alertMessage = (given: Partial<Message> = {}): Message => ({
  ...{ number: 1, id: 'message-1', kind: 'breach', phase: 'raised', repeats: 0, attempts: 0, at: raisedAt + 5_000 },
  alerts: [toldAlert()],
  ...given,
});

export const webhookSecret = () => `whsec_${randomBytes(32).toString('base64')}`;

/** Nobody waits for ever. */
export const within = (milliseconds: number) => AbortSignal.timeout(milliseconds);
