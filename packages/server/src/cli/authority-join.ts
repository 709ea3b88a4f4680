/**
 * A machine that will stand by: first it makes a key and says what it is, then it takes what was sealed for that key. What waits between
 * the two lies in `DIR.waiting`.
 */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { chmod, readFile } from 'node:fs/promises';
import { dirname, join as joined, resolve } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { makeDirectory } from '@portcullis/device';
import { type Carried, hashOf, identityFileIn, openCarried, parseJoinRequest } from '../authorities/authorities.ts';
import { loadFleetConfig, withKeys } from '../config/config.ts';
import { createFile, replaceFile } from '../telemetry/telemetry.ts';
import { requireFingerprint } from './authority-approve.ts';
import type { JoinOptions } from './authority-commands.ts';
import { namedFile } from './named-file.ts';
import type { Output } from './output.ts';
import { makeWhole, requireEmpty } from './whole-directory.ts';

const waitingFor = (directory: string) => `${resolve(directory)}.waiting`;
const [keyFile, requestFile] = ['join.key', 'request.json'];

export async function askToJoin(directory: string, options: JoinOptions, output: Output): Promise<void> {
  requireEmpty(directory);
  const waiting = waitingFor(directory);
  requireEmpty(waiting);
  const { host: hosts = ['localhost'], listen, request: file = '' } = options;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const asked = {
    format: 'portcullis-authority-request-1',
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    hosts,
    listen: { host: listen, apiPort: Number(options.apiPort), enrolmentPort: Number(options.enrolmentPort) },
  };
  const text = `${JSON.stringify(asked, null, 2)}\n`;
  const { fingerprint } = parseJoinRequest(Buffer.from(text));
  await makeWhole(waiting, async (beside) => {
    makeDirectory(beside);
    await createFile(joined(beside, keyFile), String(privateKey.export({ type: 'pkcs8', format: 'pem' })));
    await createFile(joined(beside, requestFile), text);
    await createFile(file, text).catch((cause: NodeJS.ErrnoException) => {
      throw new PortcullisError('file_unusable', `"${file}" can not be made: ${cause.code}`, { cause });
    });
  });
  const words = `The fingerprint of ${file} is
  ${fingerprint}

Carry ${file} to the machine of the authority, and there, with the fingerprint as it stands here:
  portcullis authority approve NAME ${file} answer.json --fingerprint ${fingerprint}`;
  output.result({ directory, waiting, request: file, fingerprint }, words);
}

export async function join(
  directory: string,
  { answer: file = '', fingerprint }: JoinOptions,
  output: Output,
): Promise<void> {
  const waiting = waitingFor(directory);
  if (!existsSync(joined(waiting, keyFile))) {
    const why = `nothing waits for an answer in "${waiting}"; "portcullis authority join ${directory} --request FILE" comes first`;
    throw new PortcullisError('fleet_missing', why);
  }
  requireEmpty(directory);
  const answer = namedFile(file);
  // Anybody can seal for a key that is public: whoever approved says which answer it is.
  requireFingerprint(fingerprint, hashOf(answer), 'the answer');
  const request = parseJoinRequest(await readFile(joined(waiting, requestFile)));
  const key = await readFile(joined(waiting, keyFile), 'utf8');
  const carried = openCarried(answer, key, request.fingerprint);
  const { name, fleet, files } = carried;
  await makeWhole(directory, async (beside) => {
    makeDirectory(joined(beside, 'authority/keys'));
    for (const one of files) await place(beside, one);
    const fleetFile = joined(beside, 'fleet.yaml');
    const { hosts, listen } = request;
    await replaceFile(fleetFile, withKeys(fleetFile, { hosts, listen: { ...listen } }));
    await replaceFile(
      joined(beside, 'authority', identityFileIn),
      `${JSON.stringify({ name, fingerprint: request.fingerprint })}\n`,
    );
    loadFleetConfig(beside);
  });
  rmSync(waiting, { recursive: true });
  const { authorityUrl } = loadFleetConfig(directory);
  output.result(
    { name, fleet, directory, files: files.map((one) => one.name) },
    `${name} of ${fleet} is in ${directory}; then: portcullis start authority ${directory} --standby`,
  );
  const known = [authorityUrl].flat().map((url) => new URL(url));
  const isKnown = known.some(
    ({ hostname, port }) => request.hosts.includes(hostname) && Number(port || 443) === request.listen.apiPort,
  );
  if (!isKnown)
    output.notice(
      '"authorityUrl" and "enrolmentUrl" in fleet.yaml do not name it: gates and operators find it once both machines list the addresses of both',
    );
}

async function place(directory: string, { name, mode, bytes }: Carried['files'][number]): Promise<void> {
  const file = joined(directory, name);
  makeDirectory(dirname(file));
  await createFile(file, Buffer.from(bytes, 'base64'));
  await chmod(file, mode);
}
