/** A root's directory: its key, its certificate, and how its key is kept. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FleetName, type KeyAlgorithm, PortcullisError } from '@portcullis/contract';
import { makeDirectory } from '@portcullis/device';
import { z } from 'zod';
import { KeysConfig, readTextFile } from '../config/config.ts';
import {
  answerRequest,
  keyOfRoot,
  makeRoot,
  parseRootRequest,
  type Root,
  type RootRequest,
  rootListDays,
  type ShownKey,
} from '../issuance/issuance.ts';
import { type Keeping, type Keys, openKeys } from '../keys/keys.ts';
import { fromPem, readCertificate, toPem } from '../pki/pki.ts';
import { createFile, realSystem } from '../telemetry/telemetry.ts';
import { writeNew } from './root-elsewhere.ts';
import { type MadeList, nextList } from './root-list.ts';
import { makeWhole, requireEmpty } from './whole-directory.ts';

const RootFile = z.strictObject({
  format: z.literal('portcullis-root-1'),
  fleet: FleetName,
  keys: KeysConfig.optional(),
});

/** @throws {PortcullisError} `file_unusable`, `config_invalid` */
export function readRequest(file: string): RootRequest {
  return parseRootRequest(readTextFile(file, false));
}

/** @throws {PortcullisError} `fleet_exists`, `key_unusable` */
export async function makeRootDirectory(
  directory: string,
  { fleet, root: named }: Pick<RootRequest, 'fleet' | 'root'>,
  { algorithm, ...keeping }: { keys?: Keeping; algorithm: KeyAlgorithm },
): Promise<Root> {
  requireEmpty(directory);
  let root: Root | undefined;
  await makeWhole(directory, async (beside) => {
    makeDirectory(join(beside, 'keys'));
    await using keys = keysIn(beside, keeping.keys);
    const as = named && { as: { key: 'root', ...named } };
    root = await makeRoot({ keys, system: realSystem, fleet, algorithm, ...as });
    await createFile(join(beside, 'root.pem'), toPem('CERTIFICATE', root.certificate));
    const file = { format: 'portcullis-root-1', fleet, ...keeping };
    await createFile(join(beside, 'root.json'), `${JSON.stringify(file, null, 2)}\n`);
  });
  return root as Root;
}

/** Writes the answer to a request. @throws {PortcullisError} `fleet_missing`, `file_unusable`, `key_unusable` */
export async function answerAt(
  directory: string,
  file: string,
  out: string,
): Promise<{ root: ShownKey; keys: ShownKey[] }> {
  const request = readRequest(file);
  const { fleet, keys: keeping } = readRootFile(directory);
  if (request.fleet !== fleet) {
    throw new PortcullisError('file_unusable', `"${file}" is of ${request.fleet}, and this is the root of ${fleet}`);
  }
  await using keys = keysIn(directory, keeping);
  const root = await openRoot(directory, { fleet, keys });
  const { answer, keys: signed } = await answerRequest(root, request, realSystem);
  const list = await nextList(directory, root, { revoke: [], days: rootListDays.usual, system: realSystem });
  await writeNew(out, { ...answer, list: list.pem });
  const sha256 = createHash('sha256').update(root.signer.publicKey).digest('hex');
  return { root: { name: root.name, sha256 }, keys: signed };
}

/** A later list, in PEM. @throws {PortcullisError} `fleet_missing`, `file_unusable`, `key_unusable` */
export async function listAt(
  directory: string,
  out: string,
  wanted: { revoke: readonly string[]; days: number },
): Promise<MadeList> {
  if (existsSync(out)) throw new PortcullisError('file_unusable', `"${out}" is there already`);
  const { fleet, keys: keeping } = readRootFile(directory);
  await using keys = keysIn(directory, keeping);
  const root = await openRoot(directory, { fleet, keys });
  const list = await nextList(directory, root, { ...wanted, system: realSystem });
  await createFile(out, list.pem);
  return list;
}

function readRootFile(directory: string): z.infer<typeof RootFile> {
  const file = join(directory, 'root.json');
  if (!existsSync(file)) {
    throw new PortcullisError('fleet_missing', `"${directory}" is no root; "portcullis root create" makes one`);
  }
  return RootFile.parse(JSON.parse(readTextFile(file, false)));
}

async function openRoot(directory: string, { fleet, keys }: { fleet: FleetName; keys: Keys }): Promise<Root> {
  const [certificate] = fromPem('CERTIFICATE', readTextFile(join(directory, 'root.pem'), false));
  if (!certificate) throw new PortcullisError('file_unusable', `"${directory}/root.pem" holds no certificate`);
  const { subject: name, publicKey, notBefore, notAfter } = readCertificate(certificate);
  const signer = await keys.open('root');
  if (!signer.publicKey.equals(publicKey)) {
    throw new PortcullisError('key_unusable', `the key of "${directory}" is not the one of its root.pem`);
  }
  return { key: keyOfRoot(fleet, name), name, certificate, signer, notBefore, notAfter };
}

function keysIn(directory: string, keys: Keeping | undefined): Keys & AsyncDisposable {
  const { CREDENTIALS_DIRECTORY: credentials } = process.env;
  return openKeys({ directory, folder: 'keys', keys, system: realSystem, credentials });
}
