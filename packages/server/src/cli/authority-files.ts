/** What a machine that will stand by gets of the directory of this one. */
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Carried } from '../authorities/authorities.ts';

/** What is of the authority: the gate's and the desk's files stay here, and so does the root's key. */
export async function filesFor(directory: string, config: unknown): Promise<Carried['files']> {
  const names = ['fleet.yaml', 'root.pem', ...namedIn(config)];
  for (const folder of ['rules', 'journeys']) names.push(...(await namesIn(directory, folder)));
  const keys = (await namesIn(directory, 'authority/keys')).filter(
    (name) => !/^root\b/.test(name.slice('authority/keys/'.length)),
  );
  names.push(...keys, 'authority/credentials.key');
  const files: Carried['files'] = [];
  for (const name of [...new Set(names)]) {
    const found = await lstat(join(directory, name)).catch(() => undefined);
    if (!found?.isFile()) continue;
    const bytes = await readFile(join(directory, name));
    files.push({ name, mode: found.mode & 0o777, bytes: bytes.toString('base64') });
  }
  return files;
}

async function namesIn(directory: string, folder: string): Promise<string[]> {
  const entries = await readdir(join(directory, folder), { withFileTypes: true, recursive: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)));
}

/** Every text of the configuration that could be the name of a file beside it; what is none is found out by looking. */
function namedIn(value: unknown): string[] {
  if (typeof value === 'string') return fileNamesOf(value);
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(namedIn);
}

const inside = /^(\.\/)?[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;
/** Whose state is not the authority's configuration. */
const elsewhere = /^(gate|desk|device|authority|operators)\/|^(gate|desk)\.yaml$|^operator.*\.json$/;

function fileNamesOf(text: string): string[] {
  if (/^postgres(ql)?:/.test(text)) {
    // Of several databases it is no URL, but its query is that of one.
    const searchParams = new URLSearchParams(text.split('?')[1]);
    return ['passfile', 'sslrootcert'].flatMap((name) => fileNamesOf(searchParams.get(name) ?? ''));
  }
  const name = text.replace(/^\.\//, '');
  return inside.test(text) && !elsewhere.test(name) ? [name] : [];
}
