/** A device that is enrolled, and gates that say what a test wants them to say. */
import { join } from 'node:path';
import { after } from 'node:test';
import { type Credential, credentialFileIn, writeCredential } from '../src/credential/credential.ts';
import { makeDirectory } from '../src/durable.ts';
import { Device, type DeviceOptions } from '../src/sending-device.ts';
import { realSystem, type System } from '../src/system.ts';
import { makeTestFleet, temporaryDirectory } from './certificates.ts';
import { acknowledged, type Given, linesOf, type Received, startServer } from './servers.ts';

export const fleet = makeTestFleet();

export const gateOptions = {
  key: fleet.gate.key,
  cert: fleet.gate.certificate + fleet.infrastructureIssuer.certificate,
  ca: fleet.root.certificate + fleet.deviceIssuer.certificate,
  requestCert: true,
};

/** Stores what it acknowledges. `answers` come first, one a request; then all is acknowledged. */
export async function startGate(answers: (Given | ((received: Received) => Given | Promise<Given>))[] = [], port = 0) {
  const stored: Record<string, unknown>[] = [];
  const server = await startServer(
    gateOptions,
    async (received) => {
      const next = answers.shift() ?? acknowledged;
      const answer = typeof next === 'function' ? await next(received) : next;
      if (typeof answer === 'object' && answer.status === 202) stored.push(...linesOf(received.body));
      return answer;
    },
    port,
  );
  const ids = () => stored.map(({ _id }) => _id);
  const values = () => stored.map(({ value }) => value);
  return { ...server, answers, stored, ids, values };
}

export function makeCredential(gates: string[], more: Partial<Credential> = {}): Credential {
  const pair = fleet.deviceIssuer.issue({ uri: 'device/truck-17', purposes: ['clientAuth'] });
  return {
    fleet: 'plant',
    subject: 'truck-17',
    kind: 'device',
    ...pair,
    issuer: fleet.deviceIssuer.certificate,
    roots: fleet.root.certificate,
    bundleVersion: 1,
    renewAfter: new Date(Date.now() + 15 * 86_400_000).toISOString(),
    notAfter: new Date(Date.now() + 30 * 86_400_000).toISOString(),
    gates,
    authority: 'https://localhost:1',
    enrolment: 'https://localhost:1',
    ...more,
  } as Credential;
}

export function deviceDirectory(gates: string[], more: Partial<Credential> = {}): string {
  const directory = join(temporaryDirectory(), 'device');
  makeDirectory(directory);
  writeCredential(credentialFileIn(directory), makeCredential(gates, more));
  return directory;
}

/** Chance that always draws the least: no wait is longer than a server asked for. Ids stay unlike one another. */
export const impatient: System = {
  ...realSystem,
  random: (bytes) => (bytes <= 4 ? Buffer.alloc(bytes) : realSystem.random(bytes)),
};

export async function openDevice(directory: string, options: Partial<DeviceOptions> = {}) {
  const refusals: string[] = [];
  const failures: string[] = [];
  const device = await Device.open({
    directory,
    system: impatient,
    onRefusal: ({ reason }) => refusals.push(reason),
    onFailure: ({ code }) => failures.push(code),
    ...options,
  });
  after(() => device.close());
  return { device, refusals, failures };
}
