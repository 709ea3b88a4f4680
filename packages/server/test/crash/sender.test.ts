/** What the crash run must find: a reading that was said to be durable, and is not readable, and an outbox that does not empty. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Row } from '../torture/history.ts';
import { Sender } from './sender.ts';

const row = (id: string, readable: boolean, gate = 'gate-1'): Row => ({
  ...{ gate, subject: 'sender-1', certificate: 'ab', id, batch: 1, revision: 1, readable },
  state: readable ? 'unproven' : 'quarantined',
});

test('canary: what was said to be durable and is not readable at its gate is found, and so is an outbox that nobody saw empty', () => {
  const gate = { name: 'gate-1', url: 'https://127.0.0.1:1' };
  const sender = new Sender({ name: 'sender-1', directory: '/nowhere', gate, restMs: 0, label: 'x' });
  sender.said.push('stored', 'quarantined', 'elsewhere', 'gone');
  const found = sender.violations([row('stored', true), row('quarantined', false), row('elsewhere', true, 'gate-2')]);
  assert.deepEqual(
    found.map(({ detail }) => detail),
    ['quarantined', 'elsewhere', 'gone', { name: 'sender-1' }],
  );
});
