/** Lets a machine lead when this one is gone. The issuers' keys go from the disk into a sealed file: no listener ever has them. */
import { existsSync } from 'node:fs';
import { AuthorityView, PortcullisError } from '@portcullis/contract';
import { type Carried, hashOf, parseJoinRequest, sealCarried } from '../authorities/authorities.ts';
import { type FleetConfig, loadFleetConfig } from '../config/config.ts';
import { createFile } from '../telemetry/telemetry.ts';
import type { ApproveOptions } from './authority-commands.ts';
import { filesFor } from './authority-files.ts';
import { withFleet } from './fleet-client.ts';
import { namedFile } from './named-file.ts';
import type { Output } from './output.ts';

interface Asked extends ApproveOptions {
  name: string;
  request: string;
  answer: string;
}

export async function approve(directory: string, asked: Asked, output: Output): Promise<void> {
  const { name, reason, answer } = asked;
  const config = loadFleetConfig(directory);
  if (config.store === undefined)
    throw new PortcullisError(
      'usage',
      'a store in a file has one authority; "portcullis migrate" moves it into PostgreSQL',
    );
  const request = parseJoinRequest(namedFile(asked.request));
  requireFingerprint(asked.fingerprint, request.fingerprint, 'the request');
  if (existsSync(answer)) throw new PortcullisError('file_unusable', `"${answer}" is there already; name another file`);
  const files = await filesFor(directory, config);
  const { fingerprint, hosts } = request;
  const body = { name, fingerprint, hosts, ...(reason !== undefined && { reason }) };
  const sealed = sealCarried(request, { fleet: config.fleet, name: name as Carried['name'], fingerprint, files });
  await withFleet(asked, async (client) => {
    await client.post('/v1/authorities', body, AuthorityView);
  });
  await createFile(answer, sealed.toString('utf8')).catch((cause: NodeJS.ErrnoException) => {
    throw new PortcullisError('file_unusable', `"${answer}" can not be made: ${cause.code}`, { cause });
  });
  const result = {
    name,
    request: fingerprint,
    answer,
    fingerprint: hashOf(sealed),
    files: files.map((file) => file.name),
  };
  const words = `${name} may lead. Carry ${answer} there, and there:
  portcullis authority join DIR --answer ${answer} --fingerprint ${result.fingerprint}`;
  output.result(result, words);
  for (const notice of noticesOf(config)) output.notice(notice);
}

/** Compared whole: a part of a hash can be found again. @throws {PortcullisError} `usage` */
export function requireFingerprint(given: string | undefined, found: string, what: string): void {
  if (given === undefined)
    throw new PortcullisError('usage', `--fingerprint is missing: what the other machine printed of ${what}`);
  if (given.toLowerCase() === found) return;
  throw new PortcullisError(
    'usage',
    `${what} has the fingerprint ${found}, not the one that was given; nothing was done`,
  );
}

function noticesOf({ keys }: FleetConfig): string[] {
  if (keys?.pkcs11)
    return ["the issuers' keys are in a token, and do not travel: that machine needs the same one, or a copy of it"];
  if (keys?.passphraseFile === undefined) return [];
  return [
    `the issuers' keys travel encrypted as they are: their passphrase has to be there as "${keys.passphraseFile}" too`,
  ];
}
