/** The list of a root, in the root's own directory: what it says is on disk before anybody has it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { readTextFile } from '../config/config.ts';
import { makeRootList, type Root, RootListState, withRevoked } from '../issuance/issuance.ts';
import { nextListNumber, toPem } from '../pki/pki.ts';
import { replaceFile, type System } from '../telemetry/telemetry.ts';

export interface MadeList {
  number: number;
  entries: number;
  /** Milliseconds since 1970. */
  nextUpdate: number;
  pem: string;
}

const none: RootListState = { number: 0, revoked: [] };

/** A crash after its number is on disk leaves a number that no list has. @throws {PortcullisError} `file_unusable` */
export async function nextList(
  directory: string,
  root: Root,
  { revoke, days, system }: { revoke: readonly string[]; days: number; system: Pick<System, 'now'> },
): Promise<MadeList> {
  const file = join(directory, 'list.json');
  const before = existsSync(file) ? stateIn(file) : none;
  const now = system.now();
  const certificates = revoke.map((one) => readTextFile(one, false));
  const state = { ...withRevoked(before, { certificates, root, now }), number: nextListNumber(before.number, now) };
  const { der, nextUpdate } = await makeRootList(root, state, { days, system });
  await replaceFile(file, `${JSON.stringify(state, null, 2)}\n`);
  return { number: state.number, entries: state.revoked.length, nextUpdate, pem: toPem('X509 CRL', der) };
}

function stateIn(file: string): RootListState {
  try {
    return RootListState.parse(JSON.parse(readTextFile(file, false)));
  } catch (cause) {
    throw new PortcullisError('file_unusable', `"${file}" does not say what is revoked; bring a copy back`, { cause });
  }
}
