/**
 * A fleet whose root is on another machine is made in two steps, with two files that are carried between. What waits between them, the issuers' keys
 * with it, lies in `DIR.waiting`.
 */
import { accessSync, constants, existsSync, rmSync } from 'node:fs';
import { copyFile, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FleetName, Host, KeyAlgorithm, PortcullisError } from '@portcullis/contract';
import { makeDirectory } from '@portcullis/device';
import { z } from 'zod';
import { KeysConfig, readTextFile } from '../config/config.ts';
import {
  askRoot,
  keysAsked,
  parseRootAnswer,
  parseRootRequest,
  rootIn,
  type ShownKey,
  storeFleet,
  takeAnswer,
} from '../issuance/issuance.ts';
import { createFile, realSystem } from '../telemetry/telemetry.ts';
import { keysOf, makeFleetDirectory, type WantedFleet, writeConfiguration } from './fleet-directory.ts';
import { madeWords } from './made-words.ts';
import type { Output } from './output.ts';
import { makeWhole, requireEmpty } from './whole-directory.ts';

const wantedFile = 'wanted.json';
const keyFolder = 'authority/keys';

/** As `init` was asked for it. */
const Wanted = z.strictObject({
  fleet: FleetName,
  basePort: z.int(),
  hosts: z.array(Host).optional(),
  desk: z.union([z.enum(['here', 'none']), z.strictObject({ host: Host })]),
  keys: KeysConfig.optional(),
  publicName: Host.optional(),
  store: z.string().optional(),
  algorithm: KeyAlgorithm.optional(),
});

const waitingFor = (directory: string) => `${resolve(directory)}.waiting`;

/** Shown at both machines: whoever carries the files compares them. */
export const keyLines = (keys: readonly ShownKey[]) =>
  keys.map(({ name, sha256 }) => `  ${sha256}  ${name}`).join('\n');

/** The first step: keys, and what the root is asked for. */
export async function begin(directory: string, made: WantedFleet, file: string, output: Output): Promise<void> {
  const waiting = waitingFor(directory);
  requireEmpty(waiting);
  let shown: ShownKey[] = [];
  await makeWhole(waiting, async (beside) => {
    const { keys: keeping, revocationUrl: publicUrl } = await writeConfiguration(beside, made);
    await using keys = keysOf(beside, keeping);
    const asked = await askRoot({ keys, fleet: made.fleet, publicUrl, algorithm: made.algorithm });
    shown = asked.keys;
    await createFile(join(beside, wantedFile), `${JSON.stringify(made)}\n`);
    await writeNew(file, asked.request);
  });
  const result = { fleet: made.fleet, waiting, request: file, keys: shown };
  const words = `The issuers of ${made.fleet} have their keys, in ${waiting}, and wait for their root:
${keyLines(shown)}

Carry ${file} to the machine of the root, and there:
  portcullis root create root ${file}
  portcullis root sign root ${file} answer.json

It shows these same hashes. Carry answer.json back, and here:
  portcullis init ${directory} --root-answer answer.json`;
  output.result(result, words);
}

/** The second step: the fleet, whose root's key was never here. */
export async function goOn(directory: string, file: string, output: Output): Promise<void> {
  const waiting = waitingFor(directory);
  if (!existsSync(join(waiting, wantedFile))) {
    const why = `nothing waits for an answer in "${waiting}"; "portcullis init ${directory} --root-request FILE" comes first`;
    throw new PortcullisError('fleet_missing', why);
  }
  const wanted = Wanted.parse(JSON.parse(readTextFile(join(waiting, wantedFile), false)));
  const made = { ...wanted, hosts: wanted.hosts } as WantedFleet;
  const answer = parseRootAnswer(readTextFile(file, false));
  let root: ShownKey | undefined;
  await makeWhole(directory, async (beside) => {
    await copyKeys(waiting, beside);
    await makeFleetDirectory(beside, made, async ({ store, keys, system, fleet }) => {
      const taken = await takeAnswer(answer, { keys, fleet, now: system.now() });
      root = taken.root;
      return storeFleet(store, taken.begun, realSystem);
    });
  });
  rmSync(waiting, { recursive: true });
  const shown = root as ShownKey;
  const keys = `Its root is on another machine; it has this key, which "portcullis root sign" showed too:\n${keyLines([shown])}`;
  output.result({ fleet: made.fleet, directory, root: shown }, madeWords(made.fleet, directory, keys));
}

async function copyKeys(from: string, to: string): Promise<void> {
  makeDirectory(join(to, keyFolder));
  for (const name of await readdir(join(from, keyFolder))) {
    await copyFile(join(from, keyFolder, name), join(to, keyFolder, name));
  }
}

/** Said before a rollover is begun, which waits for what this file asks. @throws {PortcullisError} `file_unusable` */
export function requireNew(file: string): void {
  const why = existsSync(file) ? 'is there already' : whyNotIn(dirname(file));
  if (why) throw new PortcullisError('file_unusable', `"${file}" ${why}`);
}

function whyNotIn(directory: string): string | undefined {
  try {
    accessSync(directory, constants.W_OK);
    return undefined;
  } catch (cause) {
    return `can not be written (${(cause as NodeJS.ErrnoException).code})`;
  }
}

/** Of a rollover: what its root is asked for is written, and shown as there. @throws {PortcullisError} `file_unusable` */
export async function carry(file: string, request: unknown): Promise<string> {
  const asked = parseRootRequest(JSON.stringify(request));
  await writeNew(file, asked);
  return `${keyLines(keysAsked(asked))}
carry ${file} to the machine of the root, where "portcullis root sign" shows the same hashes, and "portcullis rollover take ANSWER"`;
}

/** Of a rollover: whoever carried the answer compares it. */
export const rootOf = (answer: string): ShownKey => rootIn(parseRootAnswer(answer));

export function rootWords(answer: string): string[] {
  const words = 'the root has this key, which "portcullis root sign" showed too; else "portcullis rollover abandon"';
  return [words, keyLines([rootOf(answer)])];
}

/** What is carried is no secret, and nothing is overwritten by it. @throws {PortcullisError} `file_unusable` */
export async function writeNew(file: string, content: object): Promise<void> {
  await createFile(file, `${JSON.stringify(content, null, 2)}\n`).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'EEXIST' ? 'is there already' : `can not be written (${cause.code})`;
    throw new PortcullisError('file_unusable', `"${file}" ${why}`, { cause });
  });
}
