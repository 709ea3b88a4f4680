/** What sealed readings cost a gate: the signature of each, beside one bare verification; and many readings under one seal. */
import { fork } from 'node:child_process';
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { credentialFileIn, exportCredential, readCredential } from '@portcullis/device';
import { succeeded } from '../tools/commands.ts';
import type { Row } from './bench.ts';
import { measure } from './gate.ts';
import { cpuSeconds, rounded, thousands } from './measure.ts';
import type { SealedDone, SealedJob } from './sealed-load.ts';
import { openStage, type Stage } from './stage.ts';

const verifications = 5_000;
const overheadMax = 60;
const perSecondMin = 40_000;
const shared = 100;

export async function benchSealed(): Promise<Row[]> {
  const stage = await openStage();
  try {
    const carrierPem = await gatewayOf(stage);
    return [await alone(stage, carrierPem), ...(await together(stage, carrierPem))];
  } finally {
    await stage.close();
  }
}

async function gatewayOf({ house }: Stage): Promise<string> {
  const directory = join(house.home, 'gw-1');
  const { out } = await house.portcullis('token', 'create', 'gw-1', '--kind', 'gateway');
  await succeeded('portcullis-device', 'enrol', out.trim(), '--device', directory);
  exportCredential(readCredential(credentialFileIn(directory)), `${directory}-pem`);
  return `${directory}-pem`;
}

/** What Node takes for one signature of P-256 over as many bytes as such a seal has. */
function bareVerification(): number {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const bytes = Buffer.alloc(400, 1);
  const signature = sign('sha256', bytes, privateKey);
  const begun = process.cpuUsage();
  for (let count = 0; count < verifications; count++) verify('sha256', bytes, publicKey, signature);
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / verifications;
}

interface Carried {
  /** Of the gate, in microseconds for each reading. */
  cpu: number;
  perSecond: number;
}

async function carried({ house, gatePid, pem }: Stage, carrierPem: string, wish: Partial<SealedJob>): Promise<Carried> {
  const job = {
    port: house.basePort + 3,
    form: 'jws',
    carrierPem,
    signerPem: pem,
    connections: 4,
    ...wish,
  } as SealedJob;
  const child = fork(join(import.meta.dirname, 'sealed-load.ts'), { execArgv: ['--conditions=portcullis-source'] });
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the gateway ended early')));
  child.send(job);
  await Promise.race([once(child, 'message'), ended]);
  const before = cpuSeconds(gatePid);
  child.send('go');
  const [done] = (await Promise.race([once(child, 'message'), ended])) as [SealedDone];
  const cpu = ((cpuSeconds(gatePid) - before) / done.readings) * 1e6;
  ended.catch(() => undefined);
  child.kill();
  const all = job.requests * job.sealsPerRequest * job.readingsPerSeal;
  if (done.readings !== all) throw new Error(`of ${all} sealed readings ${done.readings} were admitted`);
  return { cpu, perSecond: done.readings / (done.milliseconds / 1000) };
}

async function alone(stage: Stage, carrierPem: string): Promise<Row> {
  const wish = { sealsPerRequest: 100, readingsPerSeal: 1 };
  await carried(stage, carrierPem, { ...wish, requests: 50 });
  const { cpu, perSecond } = await carried(stage, carrierPem, { ...wish, requests: 400 });
  const bare = bareVerification();
  return {
    what: 'sealed readings, one under a seal and 100 in a request, CPU of the gate for each',
    ours: `${rounded(cpu, 1)} µs (${thousands(perSecond)}/s)`,
    peer: `${rounded(bare, 1)} µs (one bare verification of P-256)`,
    target: `≤ ${rounded(bare + overheadMax, 1)} µs: one verification and ${overheadMax} µs`,
    met: cpu <= bare + overheadMax,
  };
}

async function together(stage: Stage, carrierPem: string): Promise<Row[]> {
  const wish = { sealsPerRequest: 10, readingsPerSeal: shared };
  await carried(stage, carrierPem, { ...wish, requests: 50 });
  const { cpu, perSecond } = await carried(stage, carrierPem, { ...wish, requests: 400 });
  const path = '/v1/streams/telemetry/readings';
  const job = { path, pem: stage.pem, connections: 4, fresh: false, readings: 1_000 };
  const peer = await measure(stage.gatePid, { ...job, port: stage.house.basePort + 3 });
  return [
    {
      what: `sealed readings, ${shared} under a seal`,
      ours: `${thousands(perSecond)}/s, ${rounded(cpu, 1)} µs of CPU each`,
      peer: `${thousands(peer.perSecond)}/s, ${rounded(peer.cpu, 1)} µs (the same as NDJSON of the device itself)`,
      target: `≥ ${thousands(perSecondMin)}/s`,
      met: perSecond >= perSecondMin,
    },
  ];
}
