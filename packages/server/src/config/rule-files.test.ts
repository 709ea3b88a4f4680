import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { problemsOfExpressions } from '../rules/rules.ts';
import { RuleFiles } from './rule-files.ts';

const home = mkdtempSync(join(tmpdir(), 'portcullis-rules-'));
after(() => rmSync(home, { recursive: true, force: true }));

const coldChain = `rule: cold-chain
streams: [cold]
about: attributes.shipment
outside: reading.temperature > 8.0 || reading.temperature < 2.0
inside: reading.temperature <= 7.5 && reading.temperature >= 2.5
for: 10m
budget: 30m
silent: 30m
during: { from: pickup, until: delivered }
on:
  breach: { cold_chain: broken }
  silence: { cold_chain: unknown }
  well: { cold_chain: intact }
`;

let fleets = 0;
function fleetWith(files: Record<string, string>): RuleFiles {
  const fleet = join(home, `fleet-${fleets++}`);
  mkdirSync(join(fleet, 'rules'), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(fleet, 'rules', name), text);
  return new RuleFiles(fleet);
}

const loaded = (files: Record<string, string>) => fleetWith(files).load(problemsOfExpressions);

test('a rule has its limits in milliseconds', () => {
  const [rule] = loaded({ 'cold.yaml': coldChain });
  assert.deepEqual([rule?.for, rule?.budget, rule?.silent], [600_000, 1_800_000, 1_800_000]);
  assert.deepEqual(rule?.on.well, { cold_chain: 'intact' });
});

test('a fleet without the folder has no rules, and what does not end in .yaml is none', () => {
  assert.deepEqual(new RuleFiles(join(home, 'none')).load(problemsOfExpressions), []);
  assert.deepEqual(loaded({ 'README.md': 'words', '.cold.yaml.swp': 'x' }), []);
});

const refused: [string, RegExp][] = [
  [coldChain.replace('for: 10m', 'for: ten minutes'), /cold\.yaml:6: "for": must be a duration like 90s/],
  [coldChain.replace('for: 10m', 'for: 0s'), /cold\.yaml:6: "for": must be a duration/],
  [coldChain.replace('for: 10m', 'for: 400d'), /cold\.yaml:6: "for": must not be longer than 366d/],
  [coldChain.replace('silent: 30m', 'silent: 90s'), /cold\.yaml:8: "silent": must be 2m or longer/],
  [coldChain.replace('budget', 'budgets'), /cold\.yaml:7: key "budgets" is unknown; did you mean "budget"\?/],
  [coldChain.replace('> 8.0', '>'), /cold\.yaml:4: "outside": /],
  [
    coldChain.replace('reading.temperature <= 7.5 && reading.temperature >= 2.5', '1 < 2'),
    /cold\.yaml:5: "inside": must look at the reading/,
  ],
  [coldChain.replace('temperature > 8.0', 'name.matches("x")'), /cold\.yaml:4: "outside": "matches" is not offered/],
  [coldChain.replace('attributes.shipment', 'shipment'), /cold\.yaml:3: "about": must be attributes\.NAME/],
  [
    coldChain.replace(/^(for|budget|silent).*\n/gm, ''),
    /cold\.yaml:1: "rule": a rule needs "for", "budget" or "silent"/,
  ],
  [coldChain.replace(/^(for|budget).*\n/gm, ''), /cold\.yaml:9: "on\.breach": needs "for" or "budget"/],
  [coldChain.replace(/^silent.*\n/gm, ''), /cold\.yaml:11: "on\.silence": needs "silent"/],
  [coldChain.replace(/^(about|during).*\n/gm, ''), /cold\.yaml:6: "budget": needs "about" or "during"/],
  [
    coldChain.replace('cold_chain: unknown', 'cold_chain: 3'),
    /cold\.yaml:12: "on\.silence\.cold_chain": must be a string/,
  ],
  [
    coldChain.replace('{ cold_chain: broken }', '{ status: quarantined }'),
    /cold\.yaml:11: "on\.breach\.status": is for operators/,
  ],
  [
    coldChain.replace('{ cold_chain: intact }', '{ sealed: true }'),
    /cold\.yaml:13: "on\.well\.sealed": is moved neither/,
  ],
  [
    coldChain.replace('{ cold_chain: broken }', '{ step: lost }'),
    /cold\.yaml:11: "on\.breach\.step": is moved by journeys/,
  ],
  [
    coldChain.replace('{ cold_chain: broken }', '{ shipment: none }'),
    /"on\.breach\.shipment": says whom the rule is about/,
  ],
  [coldChain.replace('[cold]', '[]'), /cold\.yaml:2: "streams": /],
];

for (const [text, message] of refused) {
  test(`refused with file and line: ${message.source}`, () => {
    assert.throws(() => loaded({ 'cold.yaml': text }), { code: 'config_invalid', message });
  });
}

test('two rules of one name are refused, with both files', () => {
  assert.throws(() => loaded({ 'a.yaml': coldChain, 'b.yaml': coldChain }), {
    message: /b\.yaml: there is a rule "cold-chain" in .*a\.yaml too/,
  });
});

test('the mark changes when a file does, comes or goes', () => {
  const files = fleetWith({ 'cold.yaml': coldChain });
  const first = files.mark();
  assert.equal(files.mark(), first);
  writeFileSync(join(files.directory, 'dry.yaml'), coldChain.replace('cold-chain', 'dry'));
  const second = files.mark();
  assert.notEqual(second, first);
  rmSync(join(files.directory, 'dry.yaml'));
  assert.equal(files.mark(), first);
});
