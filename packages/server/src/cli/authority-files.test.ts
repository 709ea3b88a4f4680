import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { filesFor } from './authority-files.ts';

test('what is of the authority travels; what is of the gate, the desk and operators stays, and so does the key of the root', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-files-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const travels = [
    'authority/credentials.key',
    'authority/keys/issuer-2.pem',
    'authority/keys/issuer-device.pem',
    'database/ca.pem',
    'fleet.yaml',
    'journeys/lane.yaml',
    'pass',
    'root.pem',
    'rules/cold/chain.yaml',
    'secrets/hook',
  ];
  const stays = [
    'authority/journal.head',
    'authority/keys/root-2.pem',
    'authority/keys/root.pem',
    'authority/store.moved.db',
    'desk.yaml',
    'desk/credential.json',
    'expected.ndjson',
    'gate.yaml',
    'gate/credential.json',
    'operator.json',
    'operators/second/operator.json',
    'rules/.hidden',
  ];
  for (const name of [...travels, ...stays]) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), name, { mode: 0o600 });
  }
  symlinkSync('/etc/passwd', join(directory, 'link'));
  const config = {
    store: 'postgres://ca@a.example.com:5432,b.example.com:5433/fleet?passfile=pass&sslrootcert=./database/ca.pem',
    // Whatever a value says: names of other files, and ways out, are nothing that travels.
    hosts: [
      'localhost',
      'gate.yaml',
      'operator.json',
      'gate/credential.json',
      'operators/second/operator.json',
      'link',
    ],
    alerts: { to: [{ secretFile: 'secrets/hook' }, { secretFile: '../pass' }, { secretFile: '/etc/passwd' }] },
    keys: ['authority/keys/root.pem', 'authority/journal.head', './desk.yaml', 'secrets/../operator.json'],
  };
  const files = await filesFor(directory, config);
  assert.deepEqual(files.map(({ name }) => name).toSorted(), travels);
  for (const { name, mode, bytes } of files) {
    assert.equal(Buffer.from(bytes, 'base64').toString(), name);
    assert.equal(mode, 0o600);
  }
});
