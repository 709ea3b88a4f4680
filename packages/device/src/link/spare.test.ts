import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FailureCode, PortcullisError } from '@portcullis/contract';
import { Spare, without } from './spare.ts';

const refusal = (message: string, code: FailureCode = 'request_malformed') => new PortcullisError(code, message);

/** A server that knows these names and refuses all others by name, at first glance one, or all. */
function server(known: string[], every = true) {
  const asked: string[][] = [];
  const ask = async (lacking: ReadonlySet<string>) => {
    const given = Object.keys(without({ a: 1, b: 2, c: 3 }, lacking));
    asked.push(given);
    const unknown = given.filter((name) => !known.includes(name)).map((name) => `"${name}"`);
    if (unknown.length === 0) return 'done';
    const named = every ? unknown : unknown.slice(0, 1);
    throw refusal(`body.counters: Unrecognized key${named.length > 1 ? 's' : ''}: ${named.join(', ')}`);
  };
  return { asked, ask };
}

for (const every of [true, false]) {
  test(`a server that does not know them gets a request without them, and from then on at once (${every ? 'all' : 'one'} named)`, async () => {
    const spare = new Spare('b', 'c');
    const { asked, ask } = server(['a'], every);
    assert.equal(await spare.ask(ask), 'done');
    assert.deepEqual(asked.at(-1), ['a']);
    const before = asked.length;
    assert.equal(await spare.ask(ask), 'done');
    assert.deepEqual(asked.slice(before), [['a']]);
    spare.forget();
    await spare.ask(ask);
    assert.deepEqual(asked[before + 1], ['a', 'b', 'c']);
  });
}

test('what must be heeded stays a refusal', async () => {
  const { asked, ask } = server(['b', 'c']);
  await assert.rejects(new Spare('b', 'c').ask(ask), { code: 'request_malformed' });
  assert.equal(asked.length, 1);
});

test('a refusal for another reason is given back, and one that goes on naming what was left out too', async () => {
  for (const error of [
    refusal('body.b: Invalid input'),
    refusal('Unrecognized key: "b"', 'internal'),
    refusal('body: Unrecognized key: "b"', 'server_unreachable'),
  ]) {
    await assert.rejects(
      new Spare('b').ask(() => Promise.reject(error)),
      error,
    );
  }
  let times = 0;
  const stubborn = () => {
    times++;
    return Promise.reject(refusal('body: Unrecognized key: "b"'));
  };
  await assert.rejects(new Spare('b').ask(stubborn), { code: 'request_malformed' });
  assert.equal(times, 2);
});
