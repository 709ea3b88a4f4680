/** A process of its own that opens the authority of one tree with a million certificates. Arguments: the tree. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { assembleAuthority } from '../packages/server/src/assemble.ts';
import type { loadFleetConfig } from '../packages/server/src/config/config.ts';
import { freeBasePort } from '../tools/commands.ts';

const certificates = 1_000_000;
const bytesOfOne = 650;

export interface Opened {
  openMs: number;
  megabytes: number;
}

const tree = process.argv[2] ?? '';
const inTree = (path: string) => import(join(tree, 'packages/server/src', path));

/** Rows alone, of a subject each, as many renewals have left them. */
function fill(file: string): void {
  const database = new DatabaseSync(file);
  database.exec(`
    PRAGMA synchronous = OFF;
    BEGIN;
    WITH RECURSIVE number (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM number WHERE n < ${certificates})
      INSERT INTO subjects (id, kind, createdAt, revision) SELECT 'device-' || n, 'device', 0, 0 FROM number;
    WITH RECURSIVE number (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM number WHERE n < ${certificates})
      INSERT INTO certificates (fingerprint, serial, issuer, subject, purpose, der, notBefore, notAfter, standing, revision,
        changedAt, changedBy, issuedAt, confirmed, publicKey)
      SELECT printf('%064x', n), printf('%032x', n), 'issuer', 'device-' || n, 'client', zeroblob(${bytesOfOne}), 0,
        4102444800000, 'valid', 0, 0, 'init', 0, 1, printf('%064x', n) FROM number;
    COMMIT;
    PRAGMA wal_checkpoint(TRUNCATE)`);
  database.close();
}

const home = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
try {
  const fleet = join(home, 'fleet');
  const port = String(await freeBasePort());
  execFileSync(process.execPath, [join(tree, 'packages/server/bin/portcullis.js'), 'init', fleet, '--base-port', port]);
  const file = join(fleet, 'authority/store.db');
  fill(file);
  const assembled = (await inTree('assemble.ts')) as { assembleAuthority: typeof assembleAuthority };
  const loaded = (await inTree('config/config.ts')) as { loadFleetConfig: typeof loadFleetConfig };
  const from = performance.now();
  const authority = await assembled.assembleAuthority(fleet, loaded.loadFleetConfig(fleet));
  const openMs = performance.now() - from;
  await authority[Symbol.asyncDispose]();
  const opened: Opened = { openMs, megabytes: statSync(file).size / 1e6 };
  if (process.send) process.send(opened);
  else process.stdout.write(`${JSON.stringify(opened)}\n`);
} finally {
  rmSync(home, { recursive: true, force: true });
}
