/** A fleet that renews within a minute while a gate goes on: what the authority gives, and what it does to who sends readings. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Credential, credentialFileIn, Link, makeKey, makeRequest, readCredential } from '@portcullis/device';
import { assembleRecords } from '../packages/server/src/assemble.ts';
import { loadFleetConfig } from '../packages/server/src/config/config.ts';
import { asking } from '../packages/server/test/asking.ts';
import { House } from '../packages/server/test/house.ts';
import { type Distribution, distributionOf, inShort } from './distribution.ts';
import { rounded, thousands } from './measure.ts';
import type { Renewed } from './renewals-load.ts';

const devices = 10_000;
const perSecond = devices / 60;
const senders = 4;
/** Each sender's. */
const readingEveryMs = 50;
const quietMs = 20_000;
const warmUpMs = 3_000;
const timesMax = 1.5;
const atOnce = 64;

export interface Held {
  subject: string;
  key: string;
  certificate: string;
}

/** On a stopped store: as whoever enrols has it done, without the way there. */
async function enrolAll(fleet: string): Promise<Held[]> {
  await using stack = new AsyncDisposableStack();
  const { journal, attributes, issuance } = await assembleRecords(fleet, loadFleetConfig(fleet), stack);
  const subjects = Array.from({ length: devices }, (_, index) => `renewing-${index}`);
  await journal.change({ actor: 'operator-1', action: 'tokens.create' }, async (change) => {
    for (const subject of subjects) {
      await attributes.ensure(change, { subject, kind: 'device', attributes: { status: 'active' }, readOnly: false });
    }
  });
  const held: Held[] = [];
  const enrol = async (subject: string) => {
    const key = makeKey();
    const permit = await issuance.check({ subject, kind: 'device', request: makeRequest(key, subject), asking });
    const signed = await issuance.issue(permit);
    const entry = { actor: subject, action: 'certificates.enrol' };
    await journal.change(entry, (change) => issuance.record(change, signed));
    held.push({ subject, key, certificate: signed.pem });
  };
  const left = [...subjects];
  const lane = async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) await enrol(next);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return held;
}

interface Sent {
  times: number[];
  /** A gate without a lease answers 503: the machine is too busy for what is measured. */
  refused: number;
}

/** Readings one by one over connections that stay; how long each took, in milliseconds. */
async function sending(credential: Credential, gate: string, until: AbortSignal): Promise<Sent> {
  const times: number[] = [];
  let refused = 0;
  const one = async (sender: number) => {
    const link = new Link({ roots: credential.roots, fleet: credential.fleet, role: 'gate', credential });
    for (let number = 0; !until.aborted; number++) {
      const begun = performance.now();
      const body = JSON.stringify({ _id: `${sender}-${begun}-${number}`, temperature: 21.5 });
      const { status } = await link.request({ url: `${gate}/v1/streams/telemetry/readings`, method: 'POST', body });
      if (status !== 202) refused++;
      const tookMs = performance.now() - begun;
      times.push(tookMs);
      await pause(Math.max(0, readingEveryMs - tookMs));
    }
    link.close();
  };
  await Promise.all(Array.from({ length: senders }, (_, sender) => one(sender)));
  return { times, refused };
}

async function renewing(file: string, enrolment: string, ca: string): Promise<Renewed> {
  const child = fork(join(import.meta.dirname, 'renewals-load.ts'), { execArgv: ['--conditions=portcullis-source'] });
  child.send({ file, enrolment, ca, perSecond });
  const [told] = (await once(child, 'message')) as [Renewed];
  child.kill();
  return told;
}

export async function benchRenewals() {
  let held: Held[] = [];
  const house = await House.open(async ({ fleet }) => {
    held = await enrolAll(fleet);
  });
  try {
    const file = join(house.home, 'devices.json');
    writeFileSync(file, JSON.stringify(held), { mode: 0o600 });
    const sender = readCredential(credentialFileIn(await house.device('truck-17')));
    const send = (signal: AbortSignal) => sending(sender, house.gateUrl, signal);
    await send(AbortSignal.timeout(warmUpMs));
    const before = await send(AbortSignal.timeout(quietMs));
    const over = new AbortController();
    const busy = send(over.signal);
    const renewed = await renewing(file, `https://localhost:${house.basePort + 1}`, sender.roots);
    over.abort();
    const during = await busy;
    const after = await send(AbortSignal.timeout(quietMs));
    const quiet = distributionOf('reading, quiet', [...before.times, ...after.times]);
    const refused = before.refused + during.refused + after.refused;
    return told(renewed, quiet, distributionOf('reading, while all renew', during.times), refused);
  } finally {
    await house.close();
  }
}

function told(renewed: Renewed, quiet: Distribution, busy: Distribution, refused: number) {
  const { done, failures, milliseconds, times } = renewed;
  const each = distributionOf('renewal and confirmation', times);
  const [first] = failures;
  const failed = first === undefined ? '' : `, ${failures.length} failed (${first})`;
  const rows = [
    {
      what: `${thousands(devices)} devices renew and confirm`,
      ours: `${thousands(done)} in ${rounded(milliseconds / 1_000)} s, ${rounded((done / milliseconds) * 1_000)}/s${failed}`,
      ...{
        peer: '',
        target: 'all within 60 s, and the last one’s own time',
        met: done === devices && milliseconds <= 60_000 + each.max,
      },
    },
    { what: 'each, four requests over a connection of its own', ours: inShort(each), peer: '', target: '', met: null },
    {
      ...{
        what: 'a reading at the gate meanwhile',
        ours: `${inShort(busy)}, ${refused} refused in all`,
        peer: `${inShort(quiet)} without`,
      },
      ...{ target: `p99 ≤ ${timesMax} ×`, met: refused === 0 && busy.p99 <= timesMax * quiet.p99 },
    },
  ];
  return { rows, distributions: [quiet, busy, each] };
}
