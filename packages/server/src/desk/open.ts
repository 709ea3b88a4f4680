import { setTimeout as pause } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/contract';
import { type Credential, exchange, Link } from '@portcullis/device';
import { z } from 'zod';
import { Credentials, type ServerCertificateHeld } from '../credentials/credentials.ts';
import { type Log, type System, timestamp, version } from '../telemetry/telemetry.ts';
import { Listener } from './listener.ts';
import type { Desk, DeskSettings } from './promises.ts';
import { relay } from './relay.ts';

interface Parts {
  directory: string;
  settings: DeskSettings;
  system: System;
  log: Log;
}

const retryMs = 250;
const reportEveryMs = 5_000;
/** So long nothing is said: an authority that is started beside its desk takes a moment. */
const quietMs = 15_000;

const linkWith = (credential: Credential) =>
  new Link({ roots: credential.roots, fleet: credential.fleet, role: 'authority', credential });

/** Resolves once it listens: after the authority gave it a server certificate. `signal` gives up waiting for that. */
export async function openDesk({ directory, settings, system, log }: Parts, signal: AbortSignal): Promise<Desk> {
  const { authority, url, limits } = settings;
  const credentials: Credentials = new Credentials({
    ...{ kind: 'desk' as const, directory, authority, system, log },
    link: () => link,
    onRenewed: (credential) => {
      link.close();
      link = linkWith(credential);
    },
  });
  let link = linkWith(credentials.client);
  await credentials.renewWhenDue(signal);
  const held = await firstCertificate(credentials, { log, system }, signal);
  const relayOver = (asked: Parameters<typeof relay>[0]) => relay(asked, { authority, link, relayMs: limits.relayMs });
  const listener = new Listener(held, { limits, log, relay: relayOver });
  const port = await listener.listen(settings.listen);
  credentials.keepServer(held, (next) => listener.swap(next));
  credentials.keepClient();
  const startedAt = timestamp(system.now());
  const report = () =>
    exchange(
      link,
      `${authority}/v1/desk/report`,
      { url, version, startedAt, ...listener.figures },
      z.unknown(),
      retryMs * 8,
    ).catch((error: unknown) => log.debug({ err: error }, 'the authority was not told how the desk stands'));
  void report();
  const reporting = setInterval(() => void report(), reportEveryMs).unref();
  return {
    subject: credentials.client.subject,
    port,
    async [Symbol.asyncDispose]() {
      clearInterval(reporting);
      credentials.stop();
      await listener.close();
      link.close();
    },
  };
}

/** The authority may start later than its desk. */
async function firstCertificate(
  credentials: Credentials,
  { log, system }: Pick<Parts, 'log' | 'system'>,
  signal: AbortSignal,
): Promise<ServerCertificateHeld> {
  const begun = system.monotonic();
  for (let said = ''; ; ) {
    try {
      return await credentials.obtainServer();
    } catch (error) {
      if (!(error instanceof PortcullisError)) throw error;
      if (error.message !== said && system.monotonic() - begun >= quietMs) {
        log.warn({ code: error.code }, `the desk waits for the authority: ${error.message}`);
        said = error.message;
      }
      await pause(retryMs, undefined, { signal });
    }
  }
}
