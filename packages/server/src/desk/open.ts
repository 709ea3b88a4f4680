import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type DeskReportRequest, PortcullisError } from '@portcullis/contract';
import { Credentials, linkTo, type ServerCertificateHeld } from '../credentials/credentials.ts';
import { FiguresListener } from '../telemetry/figures.ts';
import { type Log, type System, timestamp, version } from '../telemetry/telemetry.ts';
import { EstSide } from './est-side.ts';
import { deskFigures } from './figures.ts';
import { Front } from './front.ts';
import { HeldLists } from './held-lists.ts';
import { OcspSide } from './ocsp-side.ts';
import { PlainFront } from './plain-front.ts';
import { Position } from './position.ts';
import type { Desk, DeskSettings } from './promises.ts';
import { PublicSide } from './public-side.ts';
import { relay } from './relay.ts';
import { Relaying } from './relaying.ts';
import { Reporting } from './reporting.ts';

interface Parts {
  directory: string;
  settings: DeskSettings;
  system: System;
  log: Log;
}

const retryMs = 250;
/** So long nothing is said: an authority that is started beside its desk takes a moment. */
const quietMs = 15_000;

interface Stand {
  told: (() => DeskReportRequest) | undefined;
  certificateEnds?(): string;
  hindrance: string | undefined;
}

/** Resolves once it listens: after the authority gave it a server certificate. `signal` gives up waiting for that. */
export async function openDesk(parts: Parts, signal: AbortSignal): Promise<Desk> {
  const stand: Stand = { told: undefined, hindrance: 'it waits for the authority and does not listen yet' };
  const { metrics } = parts.settings;
  // A desk that waits for the authority is looked at too.
  const figures =
    metrics &&
    new FiguresListener(
      metrics,
      deskFigures(
        () => stand.told?.(),
        () => stand.certificateEnds?.(),
      ),
      () => stand.hindrance,
    );
  await figures?.listen();
  try {
    const desk = await openFronts(parts, stand, signal);
    stand.hindrance = undefined;
    const close = async () => {
      stand.hindrance = 'it stops';
      await desk[Symbol.asyncDispose]();
      await figures?.[Symbol.asyncDispose]();
    };
    return { ...desk, [Symbol.asyncDispose]: close };
  } catch (error) {
    await figures?.[Symbol.asyncDispose]();
    throw error;
  }
}

async function openFronts(
  { directory, settings, system, log }: Parts,
  stand: Stand,
  signal: AbortSignal,
): Promise<Desk> {
  const { authority, authorities, url, limits, listen } = settings;
  const credentials: Credentials = new Credentials({
    ...{ kind: 'desk' as const, directory, authorities, system, log },
    link: () => link,
    onRenewed: (credential) => {
      link.close();
      link = linkTo(credential, authorities);
    },
  });
  stand.certificateEnds = () => credentials.client.notAfter;
  let link = linkTo(credentials.client, authorities);
  await credentials.renewWhenDue(signal);
  const held = await firstCertificate(credentials, { log, system }, signal);
  const relaying = new Relaying({
    limits,
    relay: (asked) => relay(asked, { authority, link, relayMs: limits.relayMs }),
  });
  const enrolment = new Front(held, { limits, log, system, answer: (request) => relaying.answer(request) });
  const { subject } = credentials.client;
  const makeKey = () => credentials.makeKey();
  const onRevision = () => reporting.soon();
  const position = new Position(positionIn(directory), log);
  const open = new PublicSide({
    ...{ onRevision, position, directory, settings, subject, makeKey, relaying, held, system, log },
    link: () => link,
  });
  const lists = new HeldLists({ authority, link: () => link, position, system, log });
  const ageMsMax = limits.publicAgeMs;
  const ocsp = new OcspSide({
    ...{ onRevision, position, authority, subject, makeKey, ageMsMax, system, log },
    link: () => link,
  });
  const publishing = new PlainFront({
    ...{ limits, log },
    answer: (request) => (ocsp.takes(request) ? ocsp : lists).answer(request),
  });
  const est = new EstSide({ settings, link: () => link, relaying, held, system, log });
  const startedAt = timestamp(system.now());
  const figures = (): DeskReportRequest => {
    const { connections, turnedAway } = enrolment;
    const { state } = open;
    const lookUps = state ? { revision: state.revision, ageMs: state.ageMs, subjects: state.subjects } : null;
    const phones = settings.public && { publicUrl: settings.public.url };
    const verifiers = listen.revocationPort !== undefined && { verifiers: verifiersBy(ocsp, lists) };
    const counts = { connections, relayed: relaying.relayed, turnedAway };
    return { url, ...phones, version, startedAt, ...counts, lookUps, ...verifiers };
  };
  stand.told = figures;
  const reporting: Reporting = new Reporting({ authority, link: () => link, credentials, figures, log });
  const close = async () => {
    reporting.stop();
    credentials.stop();
    lists.stop();
    ocsp.stop();
    await Promise.all([enrolment.close(), open.close(), est.close(), publishing.close()]);
    link.close();
    await position.close();
  };
  try {
    const port = await enrolment.listen({ host: listen.host, port: listen.port });
    const ports = { ...(await open.listen()), estPort: await est.listen() };
    const { revocationPort: wanted } = listen;
    const revocationPort =
      wanted === undefined ? undefined : await publishing.listen({ host: listen.host, port: wanted });
    if (revocationPort !== undefined) {
      void lists.keep();
      ocsp.keep();
    }
    credentials.keepServer(held, (next) => {
      for (const front of [enrolment, open, est]) front.swap(next);
      if (next.bundle !== credentials.bundle) open.renewKey();
    });
    credentials.keepClient();
    reporting.keep();
    return { subject, port, ...ports, revocationPort, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where a desk keeps what it was told. */
export const positionIn = (directory: string) => join(directory, 'position.json');

const verifiersBy = (ocsp: OcspSide, lists: HeldLists) => ({
  ...{ answers: ocsp.state.answers, standings: ocsp.state.standings ?? null },
  lists: lists.state ?? null,
});

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
