import { statfs } from 'node:fs/promises';

/** What is left of the disk below a directory, for whoever is not the superuser. */
export interface DiskSpace {
  freeBytes: number;
  totalBytes: number;
}

export async function diskSpace(directory: string): Promise<DiskSpace> {
  const { bsize, bavail, blocks } = await statfs(directory);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
