/**
 * Lists for programs that load files, by generation: DIR/generation-N/{issuers,lists}.pem, and DIR/current, a link to the newest. A generation is whole
 * before the link names it, and never changes: who goes by DIR/current once, and opens both there, has two that belong together.
 */
import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, readlink, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type IssuerList, PortcullisError } from '@portcullis/contract';
import { makeDirectory } from '@portcullis/device';
import { toPem } from '../pki/pki.ts';
import { putInPlace, replaceFile, type System, syncDirectory } from '../telemetry/telemetry.ts';

export interface Exported {
  directory: string;
  issuers: string;
  lists: string;
  /** Of these lists, the first one's. */
  nextUpdate: string;
  /** False: this generation was there already. */
  changed: boolean;
}

const link = 'current';
const files = ['issuers.pem', 'lists.pem'] as const;
/** Whoever began to read an older one finds it whole. */
const generationsKept = 3;
/** For everybody: there is no secret in it. */
const [fileMode, folderMode] = [0o644, 0o755];

/**
 * Whoever checks a whole chain refuses all of it where one list is missing: so none is written without the others.
 * @throws {PortcullisError} `server_unreachable` where one is missing, `file_unusable`
 */
export async function exportLists(
  directory: string,
  items: readonly IssuerList[],
  { random }: Pick<System, 'random'>,
): Promise<Exported> {
  const lacking = items.filter(({ list }) => list === null).map(({ issuer }) => issuer);
  if (lacking.length > 0) {
    const who = lacking.join(', ');
    throw new PortcullisError('server_unreachable', `the authority has no list of [${who}]: nobody here can sign it`);
  }
  const texts = textsOf(items);
  const name = `generation-${createHash('sha256').update(texts.join()).digest('hex').slice(0, 16)}`;
  const beside = (place: string) => `${place}.${random(4).toString('hex')}`;
  makeDirectory(directory);
  const changed = (await linked(directory)) !== name;
  if (changed) {
    await writeGeneration(join(directory, name), texts, beside);
    await replaceLink(join(directory, link), name, beside);
    await forgetOthers(directory, name);
  }
  // By these names too, for who opens one file.
  for (const file of files) await requireLink(join(directory, file), join(link, file), beside);
  const [nextUpdate = ''] = items.map(({ list }) => list?.nextUpdate ?? '').toSorted();
  const [issuers, lists] = files.map((file) => join(directory, link, file)) as [string, string];
  return { directory, issuers, lists, nextUpdate, changed };
}

const linked = (directory: string) => readlink(join(directory, link)).catch(() => undefined);

/** In the order of the files. */
function textsOf(items: readonly IssuerList[]): string[] {
  const pem = (label: string, base64: string) => toPem(label, Buffer.from(base64, 'base64'));
  const issuers = items.map(({ certificate }) => pem('CERTIFICATE', certificate));
  return [issuers.join(''), items.map(({ list }) => pem('X509 CRL', list?.der ?? '')).join('')];
}

type Beside = (place: string) => string;

/** A crash leaves a folder that nothing names, and a later export removes it. */
async function writeGeneration(folder: string, texts: readonly string[], beside: Beside): Promise<void> {
  const next = beside(folder);
  try {
    await mkdir(next, folderMode);
    for (const [index, file] of files.entries()) await replaceFile(join(next, file), texts[index] ?? '', fileMode);
    await syncDirectory(next);
    await putInPlace(next, folder);
  } catch (error) {
    await rm(next, { recursive: true, force: true });
    // Two at once write the same; whoever was first has it whole.
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** By rename, so that there is never none. */
async function replaceLink(place: string, target: string, beside: Beside): Promise<void> {
  const next = beside(place);
  await symlink(target, next);
  await putInPlace(next, place).catch(async (error) => {
    await rm(next, { force: true });
    throw error;
  });
}

/** What an earlier version wrote there as a file gives way. */
async function requireLink(place: string, target: string, beside: Beside): Promise<void> {
  const found = await lstat(place).catch(() => undefined);
  if (!found?.isSymbolicLink() || (await readlink(place)) !== target) await replaceLink(place, target, beside);
}

function goneOrThrow(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

async function forgetOthers(directory: string, newest: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => name.startsWith('generation-') && name !== newest);
  // One that another export has just put in its place, or given up, is not there any more.
  const changedAt = (name: string) => stat(join(directory, name)).then(({ mtimeMs }) => mtimeMs, goneOrThrow);
  const dated = await Promise.all(names.map(async (name) => ({ name, at: (await changedAt(name)) ?? 0 })));
  const older = dated.toSorted((one, other) => other.at - one.at).slice(generationsKept - 1);
  for (const { name } of older) await rm(join(directory, name), { recursive: true, force: true });
}
