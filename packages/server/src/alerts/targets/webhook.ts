import { createHmac } from 'node:crypto';
import { PortcullisError } from '@portcullis/contract';
import { cloudEvent, type Teller } from '../message.ts';
import { type Posting, post } from './http-post.ts';

interface Webhook extends Posting {
  fleet: string;
  /** The secrets of now, as their files hold them: of two both sign, so that a receiver may know either. */
  secrets(): string[];
  /** Milliseconds since 1970. */
  now(): number;
}

/** CloudEvents in structured JSON, signed by Standard Webhooks 1.0.0. */
export function webhook({ fleet, secrets, now, ...posting }: Webhook): Teller {
  return {
    tell(message, signal) {
      const body = JSON.stringify(cloudEvent(message, fleet));
      const signed = signatures(secrets(), { id: message.id, seconds: Math.floor(now() / 1_000), body });
      const headers = { ...signed, 'content-type': 'application/cloudevents+json; charset=utf-8' };
      return post(posting, headers, body, signal);
    },
  };
}

interface Signed {
  /** The same however often it is tried. */
  id: string;
  /** Of this try. */
  seconds: number;
  body: string;
}

/** `webhook-signature` has one for each secret, joined by a blank (Standard Webhooks, "Zero downtime secret rotation"). */
export function signatures(secrets: readonly string[], { id, seconds, body }: Signed): Record<string, string> {
  const signed = secrets.map((secret) => {
    const digest = createHmac('sha256', webhookKey(secret)).update(`${id}.${seconds}.${body}`, 'utf8').digest('base64');
    return `v1,${digest}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signed.join(' ') };
}

const keyBytes = { least: 24, most: 64 };

/** `whsec_` and the key in base64: Standard Webhooks, "Signature scheme". @throws {PortcullisError} `config_invalid` */
export function webhookKey(secret: string): Buffer {
  const [, text = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const key = Buffer.from(text, 'base64');
  const whole = key.toString('base64') === text;
  if (whole && key.length >= keyBytes.least && key.length <= keyBytes.most) return key;
  throw new PortcullisError('config_invalid', 'a secret must be whsec_ and 24 to 64 bytes in base64, and nothing else');
}
