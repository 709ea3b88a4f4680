import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openRecords, type Records } from '../../test/records.ts';
import { type Journal, openJournal, type RequestId } from './journal.ts';
import { requestMsMax, requestsKeptMax } from './requests.ts';

/** As a retry comes: with an object of its own. */
const request = (id = 'request-1', hash = 'asked'): RequestId => ({ id, hash });

interface Asked {
  by?: string;
  value?: string;
  request?: RequestId;
}

async function open(context: TestContext) {
  const records = await openRecords(context);
  let made = 0;
  const set = (
    { by = 'operator-1', value = 'off', request: given = request() }: Asked = {},
    at: Journal = records.journal,
  ) =>
    at.change({ actor: by, action: 'attributes.change', request: given }, async (change) => {
      change.attribute('truck-17', 'device', 'status', value, false);
      return { made: ++made, value };
    });
  return { ...records, set, made: () => made };
}

const kept = ({ store }: Records) =>
  store.read((db) => db.selectFrom('requests').select(['actor', 'id']).orderBy('number').execute());

test('rule 17: a retry is answered by what the first one came to, and is not done again: also at another authority', async (context) => {
  const { set, made, journal, ...records } = await open(context);
  const heard: number[] = [];
  journal.onChange(({ revision }) => heard.push(revision));
  const [mine, retried] = [request(), request()];
  const first = await set({ request: mine });
  assert.deepEqual(first, { result: { made: 1, value: 'off' }, revision: 1 });
  await set({ value: 'on', request: request('request-2') });
  const head = journal.head();
  assert.deepEqual(await set({ request: retried }), first);
  assert.deepEqual([mine.outcome, retried.outcome], ['made', 'repeated']);
  await using other = await openJournal(records);
  assert.deepEqual(await set({}, other), first);
  assert.deepEqual(await other.repeated({ actor: 'operator-1', request: request() }), first);
  assert.deepEqual([made(), heard, journal.head(), other.head()], [2, [1, 2], head, head]);
});

test('rule 17: requests of one id that come at once are one change', async (context) => {
  const { set, made } = await open(context);
  const all = await Promise.all([set(), set(), set()]);
  assert.deepEqual([made(), ...all.map(({ revision }) => revision)], [1, 1, 1, 1]);
});

test('rule 17: the same id with something else asked for is refused, and nothing is changed', async (context) => {
  const { set, journal } = await open(context);
  await set();
  const message = /"request-1" was used for another change, which is revision 1/;
  await assert.rejects(set({ request: request('request-1', 'another') }), { code: 'request_id_reused', message });
  await assert.rejects(journal.repeated({ actor: 'operator-1', request: request('request-1', 'another') }), {
    code: 'request_id_reused',
  });
  assert.equal(journal.head().revision, 1);
});

test('an id is the own one of who asks', async (context) => {
  const { set } = await open(context);
  await set();
  assert.equal((await set({ by: 'operator-2' })).revision, 2);
});

test('of what was refused nothing is kept: a retry is judged anew', async (context) => {
  const { journal, set, ...records } = await open(context);
  const refused = journal.change({ actor: 'operator-1', action: 'x', request: request() }, async () => {
    throw new Error('refused');
  });
  await assert.rejects(refused, /refused/);
  assert.deepEqual(await kept({ journal, ...records }), []);
  assert.equal((await set()).revision, 1);
});

test('a retry is answered though what it was on condition of holds no more, and where nothing was to be changed', async (context) => {
  const { journal } = await open(context);
  let isAllowed = true;
  const change = () =>
    journal.change(
      {
        ...{ actor: 'operator-1', action: 'x', request: request() },
        async requireAllowed() {
          assert.ok(isAllowed);
        },
      },
      async (change) => change.unchanged(0, []),
    );
  const first = await change();
  isAllowed = false;
  assert.equal((await change()).revision, first.revision);
});

test('so many of each actor are kept, for a day', async (context) => {
  const { set, clock, made, ...records } = await open(context);
  const names = async (actor: string) =>
    (await kept(records as Records)).filter((row) => row.actor === actor).map(({ id }) => id);
  await set({ by: 'operator-2' });
  await set();
  const number = (index: number) => ({ id: `request-${index}`, number: index });
  const row = { actor: 'operator-1', hash: 'asked', at: clock.now, revision: 2, result: '{}' };
  const others = Array.from({ length: requestsKeptMax - 1 }, (_, index) => ({ ...row, ...number(index + 2) }));
  await records.store.change((db) => db.insertInto('requests').values(others).execute());
  assert.equal((await names('operator-1')).length, requestsKeptMax);
  await set({ request: request('the newest') });
  const ids = await names('operator-1');
  assert.deepEqual([ids.length, ids[0], ids.at(-1)], [requestsKeptMax, 'request-2', 'the newest']);

  clock.now += requestMsMax - 1;
  await set({ by: 'operator-2' });
  assert.equal(made(), 3);
  clock.now += 1;
  await set({ by: 'operator-2' });
  assert.equal(made(), 4);
  assert.deepEqual([await names('operator-1'), await names('operator-2')], [[], ['request-1']]);
});
