/**
 * A fleet whose root and issuers live minutes, and what they sign less: `init DIRECTORY MINUTES SECONDS PORT` makes it, `authority DIRECTORY MINUTES SECONDS`
 * is its authority, as a process. Root and issuers live so many minutes, certificates of devices so many seconds. Gates, desks and devices are those of every fleet.
 */
import { once } from 'node:events';
import { FleetName } from '@portcullis/contract';
import { assembleAuthority } from '../../packages/server/src/assemble.ts';
import { makeFleetDirectory } from '../../packages/server/src/cli/fleet-directory.ts';
import { loadFleetConfig } from '../../packages/server/src/config/config.ts';
import type { Lifetimes } from '../../packages/server/src/issuance/issuance.ts';

const second = 1_000;
const minute = 60 * second;

const [task, directory = '', rootMinutes, deviceSeconds, port] = process.argv.slice(2);
const rootMs = Number(rootMinutes) * minute;
const deviceMs = Number(deviceSeconds) * second;

const lifetimes: Lifetimes = {
  rootMs,
  issuerMs: rootMs,
  clientMs: {
    ...{ device: deviceMs, gateway: deviceMs, shipment: deviceMs },
    ...{ gate: minute, desk: minute, operator: rootMs / 2, monitor: minute, checkpoint: minute },
  },
  serverMs: minute,
  publicationMs: minute,
  labelMs: 6 * minute,
  ocspMs: minute,
  backdateMs: 5 * second,
  remainingMsMin: 5 * second,
  endsSoonMs: minute,
  renewedAfterMsMin: second,
  renewedEveryMsMin: second,
};

if (task === 'init') {
  const wanted = { fleet: FleetName.parse('minutes'), basePort: Number(port), hosts: undefined };
  await makeFleetDirectory(directory, { ...wanted, publicName: 'localhost', lifetimes });
} else {
  const authority = await assembleAuthority(directory, loadFleetConfig(directory), { lifetimes });
  process.stdout.write('authority listening\n');
  await once(process, 'SIGTERM');
  await authority[Symbol.asyncDispose]();
}
