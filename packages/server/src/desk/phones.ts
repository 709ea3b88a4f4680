import type { IncomingMessage } from 'node:http';
import type { Log, System } from '../telemetry/telemetry.ts';
import type { Told } from './answering.ts';
import { Front } from './front.ts';
import type { DeskLimits, PhonesSettings } from './promises.ts';
import { ProxiedFront } from './proxied-front.ts';
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
    const front = new ProxiedFront(parts);
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
