import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { link, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { storedHeadOf, verifyJournal } from '../journal/journal.ts';
import { checkSqliteStore, copySqliteStore, readSqliteStore } from '../storage/storage.ts';
import { createInPieces, syncDirectory } from '../telemetry/telemetry.ts';
import { damaged, type Manifest, MemberName, manifestName, storeName } from './manifest.ts';
import { readBackup, type Whole } from './read.ts';
import { end, headerOf, paddingOf } from './tar.ts';

export interface Making {
  /** The fleet's directory. */
  directory: string;
  /** The backup: there is none of this name yet. */
  file: string;
  fleet: string;
  version: string;
  /** RFC 3339. */
  madeAt: string;
  /** Whether the secret keys that stand in the directory are in it; the root's never is. */
  withKeys: boolean;
  /** What is done now. */
  progress(words: string): void;
}

/** What is no configuration and has a place of its own: the processes' state. */
const stateDirectories = new Set(['authority', 'gate', 'desk', 'device']);
/** Of `portcullis up`: of a process of this machine. */
const isLock = (name: string) => /^up\.lock(\.|$)/.test(name);
const configurationBytesMax = 64 * 1024 * 1024;
const configurationFilesMax = 5_000;
/** Folders within folders of configuration. */
const depthMax = 4;

/**
 * One file that the fleet's authority comes back from, also of one that runs: its store as it was at one moment, its configuration, and its
 * keys where they are asked for. What was written is read back, every page of the store and every entry of its journal, before the
 * file has its name; a crash before that leaves `FILE.new-PID`, which is no backup.
 * @throws {PortcullisError} `file_unusable`, `fleet_missing`, `journal_damaged`, `store_damaged`
 */
export async function makeBackup(making: Making): Promise<Whole> {
  const { directory, file, progress } = making;
  if (existsSync(file)) throw new PortcullisError('file_unusable', `"${file}" is there already; choose another name`);
  const beside = `${file}.new-${process.pid}`;
  // Of one that was killed and had the same number, as the first process of a container has each time.
  await rm(beside, { recursive: true, force: true });
  await mkdir(beside, { mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? `there is no directory "${dirname(file)}"` : (cause.code ?? cause.message);
    throw new PortcullisError('file_unusable', `"${file}" can not be made: ${why}`, { cause });
  });
  try {
    progress('copying the store');
    copySqliteStore(join(directory, 'authority'), join(beside, 'store.db'));
    // Looked for after the copy: whatever the store speaks of by then is there.
    const found = await filesOf(directory);
    progress('reading its journal back');
    const head = await verifiedHead(beside);
    const taken = making.withKeys ? [...found.configuration, ...found.keys] : found.configuration;
    const sources = [
      { name: storeName, path: join(beside, 'store.db') },
      ...taken.map((name) => ({ name, path: join(directory, name) })),
    ];
    const { fleet, version, madeAt } = making;
    const keysLeftOut = [...(making.withKeys ? [] : found.keys), ...found.root];
    progress('writing');
    const made = join(beside, 'backup.tar');
    const said = { format: 'portcullis-backup-1', fleet, version, madeAt, head, keysLeftOut } as const;
    await writeArchive(made, said, sources);
    progress('reading it back');
    const whole = await readBackup(made);
    await place(made, file);
    return whole;
  } finally {
    await rm(beside, { recursive: true });
  }
}

/** Never in the place of one that is there. */
async function place(made: string, file: string): Promise<void> {
  try {
    await link(made, file);
  } catch (cause) {
    throw new PortcullisError('file_unusable', `"${file}" can not be made: ${(cause as Error).message}`, { cause });
  }
  await syncDirectory(dirname(file));
}

async function verifiedHead(copy: string): Promise<Manifest['head']> {
  checkSqliteStore(copy);
  const store = readSqliteStore(copy);
  const { broken } = await verifyJournal(store, []);
  if (broken)
    throw new PortcullisError('journal_damaged', `entry ${broken.position}: ${broken.why}; no backup was made`);
  return storedHeadOf(store);
}

interface Found {
  configuration: string[];
  keys: string[];
  /** The root's key, where it stands here all the same. */
  root: string[];
}

const rootKeyName = /^root\b/;

async function filesOf(directory: string): Promise<Found> {
  const [configuration, keys] = [[] as string[], [] as string[]];
  for (const name of await namesIn(directory, '', depthMax)) (isCredential(name) ? keys : configuration).push(name);
  await requireSmall(directory, configuration);
  const inKeys = existsSync(join(directory, 'authority/keys')) ? await readdir(join(directory, 'authority/keys')) : [];
  const root = inKeys.filter((name) => rootKeyName.test(name)).map((name) => `authority/keys/${name}`);
  keys.push(...inKeys.filter((name) => !rootKeyName.test(name)).map((name) => `authority/keys/${name}`));
  if (existsSync(join(directory, 'authority/credentials.key'))) keys.push('authority/credentials.key');
  return { configuration, keys, root };
}

/** An operator's credential is a key with its certificate. */
const isCredential = (name: string) =>
  /^(operators|operator-renewal)\//.test(name) || /(^|\/)(operator|credential|pending)[^/]*\.json$/.test(name);

async function namesIn(directory: string, under: string, depth: number): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await readdir(join(directory, under), { withFileTypes: true })) {
    const name = under === '' ? entry.name : `${under}/${entry.name}`;
    const isState = under === '' && (stateDirectories.has(entry.name) || isLock(entry.name));
    if (entry.name.startsWith('.') || isState) continue;
    if (entry.isDirectory() && depth > 0) names.push(...(await namesIn(directory, name, depth - 1)));
    else if (entry.isFile()) names.push(requireName(directory, name));
  }
  return names.toSorted();
}

function requireName(directory: string, name: string): string {
  if (MemberName.safeParse(name).success) return name;
  const allowed = 'letters, digits and "._-" alone, at most 100 bytes with its folders';
  throw new PortcullisError(
    'file_unusable',
    `"${join(directory, name)}" has a name that a backup can not hold; it takes ${allowed}`,
  );
}

/** What is large beside the configuration is no part of it. */
async function requireSmall(directory: string, names: readonly string[]): Promise<void> {
  let bytes = 0;
  for (const name of names) bytes += (await stat(join(directory, name))).size;
  if (bytes <= configurationBytesMax && names.length <= configurationFilesMax) return;
  const allowed = `${configurationFilesMax} files and ${configurationBytesMax / 1024 / 1024} MiB`;
  throw new PortcullisError(
    'file_unusable',
    `"${directory}" holds ${names.length} files of ${bytes} bytes beside its state; a backup takes ${allowed}: move what is no configuration elsewhere`,
  );
}

interface Source {
  name: string;
  path: string;
}

async function writeArchive(file: string, said: Omit<Manifest, 'members'>, sources: readonly Source[]): Promise<void> {
  const members: Manifest['members'] = [];
  for (const source of sources) members.push({ name: source.name, ...(await digestOf(source.path)) });
  const text = Buffer.from(`${JSON.stringify({ ...said, members } satisfies Manifest, null, 2)}\n`);
  await createInPieces(file, async (append) => {
    const header = headerOf({ name: manifestName, bytes: text.length });
    for (const piece of [header, text, paddingOf(text.length)]) await append(piece);
    for (const [index, { name, bytes }] of members.entries()) {
      await append(headerOf({ name, bytes }));
      await copyInto(append, sources[index] as Source, bytes);
      await append(paddingOf(bytes));
    }
    await append(end);
  });
}

async function digestOf(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** A file that is edited meanwhile is found when the backup is read back, or here. */
async function copyInto(
  append: (piece: Uint8Array) => Promise<void>,
  { name, path }: Source,
  bytes: number,
): Promise<void> {
  let copied = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    await append(chunk);
    copied += chunk.length;
  }
  if (copied !== bytes) throw damaged(path, `was changed while it was copied as "${name}"; make the backup again`);
}
