import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Figures } from './figure-registry.ts';
import { mergedFigures } from './merged-figures.ts';

function figures(connections: number): Figures {
  const made = new Figures();
  made.gauge('gate_connections', 'Open connections', () => connections);
  made.labelled('counter', { name: 'gate_verdicts_total', help: 'By reason', label: 'reason' }, () => [['ok {', 3]]);
  const durations = { count: 2, seconds: 0.5, upTo: () => [[0.1, 1]] as [bound: number, count: number][] };
  made.histogram('gate_seconds', 'How long', () => durations);
  return made;
}

test('each sample says whose it is, and the lines of a name stand together under one word about it', async () => {
  const texts = new Map([
    ['1', await figures(4).text()],
    ['2', await figures(7).text()],
  ]);
  const lines = mergedFigures('worker', texts).split('\n');
  const at = lines.indexOf('# HELP gate_connections Open connections');
  assert.deepEqual(lines.slice(at, at + 4), [
    '# HELP gate_connections Open connections',
    '# TYPE gate_connections gauge',
    'gate_connections{worker="1"} 4',
    'gate_connections{worker="2"} 7',
  ]);
  assert.ok(lines.includes('gate_verdicts_total{reason="ok {",worker="2"} 3'));
  assert.ok(lines.includes('gate_seconds_bucket{le="0.1",worker="1"} 1'));
  assert.ok(lines.includes('gate_seconds_count{worker="1"} 2'));
  assert.equal(lines.filter((line) => line.startsWith('# TYPE gate_seconds ')).length, 1);
});
