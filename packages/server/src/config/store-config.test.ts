import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadFleetConfig } from './config.ts';

const usual = `fleet: fleet-1
hosts: [localhost]
listen: {}
authorityUrl: https://localhost:8440
enrolmentUrl: https://localhost:8441
`;

for (const [lines, refused] of [
  ['store: postgres:///fleet', undefined],
  ['store: postgresql://ca@db.example.com:5433/fleet?passfile=db.pass', undefined],
  ['store: /var/lib/fleet.db', /must be postgres:/],
  ['store: postgres://ca:secret@localhost/fleet', /must hold no password; name a file with it/],
  ['store: postgres:///fleet\njournal: { ship: /mnt }', /"journal.ship" is of a store in a file/],
] as const) {
  test(`fleet.yaml with ${lines.replace('secret', '…')} is ${refused ? 'refused' : 'taken'}`, (context) => {
    const directory = mkdtempSync(join(tmpdir(), 'portcullis-config-'));
    context.after(() => rmSync(directory, { recursive: true }));
    writeFileSync(join(directory, 'fleet.yaml'), `${usual}${lines}\n`);
    if (refused === undefined) assert.match(loadFleetConfig(directory).store ?? '', /^postgres/);
    else assert.throws(() => loadFleetConfig(directory), { code: 'config_invalid', message: refused });
    if (lines.includes('secret'))
      assert.throws(
        () => loadFleetConfig(directory),
        (error: Error) => !error.message.includes('secret'),
      );
  });
}
