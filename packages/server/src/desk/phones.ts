import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Log, System } from '../telemetry/telemetry.ts';
import type { Told } from './answering.ts';
import { Front } from './front.ts';
import { PlainFront } from './plain-front.ts';
import type { DeskLimits, PhonesSettings } from './promises.ts';
import { PublicCertificate } from './public-certificate.ts';

interface Parts {
  settings: PhonesSettings;
  limits: DeskLimits;
  system: System;
  log: Log;
  answer(request: IncomingMessage, from?: string): Promise<Told>;
}

const lookMs = 5_000;

/** Where phones reach a desk: by a certificate of a public authority, or behind a proxy that has one. */
export interface Phones {
  port: number;
  close(): Promise<void>;
}

/** @throws {PortcullisError} `key_unusable`, `port_taken`, `config_invalid` */
export async function openPhones({ settings, ...parts }: Parts): Promise<Phones> {
  const { certificate, key } = settings;
  if (certificate === undefined || key === undefined) {
    // On an address of this machine alone: a proxy of the user's stands before it, and ends TLS with a certificate of its own.
    const front = new PlainFront({ ...parts, answer: (request) => parts.answer(request, visitorOf(request)) });
    return { port: await front.listen(settings), close: () => front.close() };
  }
  const { log } = parts;
  const { files, identity } = await PublicCertificate.open({
    ...{ files: { certificate, key }, log },
    onReplaced: (next) => front.swap(next),
  });
  const front: Front = new Front(identity, { ...parts, answer: (request) => parts.answer(request), oldPhones: true });
  const port = await front.listen(settings);
  files.keep(lookMs);
  return {
    port,
    async close() {
      files.stop();
      await front.close();
    },
  };
}

/** The proxy appends whom it sees itself: the last one is its own word. It counts for who guesses codes, and for nothing else. */
function visitorOf({ headers, socket }: IncomingMessage): string {
  const last = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',').at(-1)?.trim() ?? '';
  return isIP(last) ? last : (socket.remoteAddress ?? '');
}
