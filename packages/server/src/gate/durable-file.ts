import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The file is the old one or the new one, whatever happens, and the new one once this resolves. */
export async function replaceFile(file: string, content: string): Promise<void> {
  const next = `${file}.next`;
  await synced(next, 'w', content);
  await rename(next, file);
  await synced(dirname(file), 'r');
}

async function synced(path: string, flags: 'w' | 'r', content?: string): Promise<void> {
  const handle = await open(path, flags, 0o600);
  try {
    if (content !== undefined) await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
