import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { StorePlace } from './open.ts';
import type { Store } from './promises.ts';

/** How an engine is made and opened, at a place of the test's own. */
export interface StoreEngine {
  name: string;
  place(context: TestContext): StorePlace | Promise<StorePlace>;
  create(place: StorePlace): Promise<Store>;
  open(place: StorePlace): Promise<Store>;
}

export async function temporaryDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'portcullis-store-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

const setting = (store: Store, name: string) =>
  store.read((db) => db.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst());

const put = (store: Store, name: string, value = 'x') =>
  store.change((db) => db.insertInto('settings').values({ name, value }).execute());

/** What every engine promises; each runs all of it. */
export function storeContract(engine: StoreEngine): void {
  const named = (sentence: string) => `${engine.name}: ${sentence}`;

  test(named('P8: a change that was answered is there after closing and opening again'), async (context) => {
    const place = await engine.place(context);
    const store = await engine.create(place);
    await put(store, 'kept', 'value');
    await store[Symbol.asyncDispose]();
    await using again = await engine.open(place);
    assert.equal((await setting(again, 'kept'))?.value, 'value');
  });

  test(named('a change whose work throws leaves nothing, and the next one goes on'), async (context) => {
    await using store = await engine.create(await engine.place(context));
    const failing = store.change(async (db) => {
      await db.insertInto('settings').values({ name: 'half', value: 'x' }).execute();
      throw new Error('stopped half-way');
    });
    const next = put(store, 'next');
    await assert.rejects(failing, /stopped half-way/);
    await next;
    assert.equal(await setting(store, 'half'), undefined);
    assert.ok(await setting(store, 'next'));
  });

  const together = (store: Store, name: string, value = 'x') =>
    store.changeTogether((db) => db.insertInto('settings').values({ name, value }).execute());

  test(
    named('P8: changes of one turn are each there or not there; one that throws is rolled back by itself'),
    async (context) => {
      const place = await engine.place(context);
      const store = await engine.create(place);
      const failing = store.changeTogether(async (db) => {
        await db.insertInto('settings').values({ name: 'half', value: 'x' }).execute();
        throw new Error('stopped half-way');
      });
      const others = Array.from({ length: 100 }, (_, index) => together(store, `name-${index}`));
      const twice = together(store, 'name-7');
      await assert.rejects(failing, /stopped half-way/);
      await assert.rejects(twice, /unique/i);
      await Promise.all(others);
      await store[Symbol.asyncDispose]();
      await using again = await engine.open(place);
      assert.equal(await setting(again, 'half'), undefined);
      const names = await again.read((db) => db.selectFrom('settings').select('name').execute());
      assert.equal(names.length, 100);
    },
  );

  test(named('what is asked for together while others are written shares the next transaction'), async (context) => {
    await using store = await engine.create(await engine.place(context));
    const change = store.change.bind(store);
    let transactions = 0;
    store.change = (work, options) => {
      transactions++;
      return change(work, options);
    };
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    const written = Promise.withResolvers<void>();
    const asked: Promise<unknown>[] = [store.changeTogether(() => written.promise)];
    for (let index = 0; index < 5; index++) {
      await turn();
      asked.push(together(store, `name-${index}`));
    }
    await turn();
    written.resolve();
    await Promise.all(asked);
    assert.equal(transactions, 2);
  });

  test(named('a store is closed once what was asked for together is done'), async (context) => {
    const place = await engine.place(context);
    const store = await engine.create(place);
    const asked = [together(store, 'a'), together(store, 'b')];
    await store[Symbol.asyncDispose]();
    await Promise.all(asked);
    await using again = await engine.open(place);
    assert.ok(await setting(again, 'b'));
  });

  test(named('changes happen one at a time, in the order in which they were asked for'), async (context) => {
    await using store = await engine.create(await engine.place(context));
    await put(store, 'list', '');
    const append = (index: number) =>
      store.change(async (db) => {
        const row = await db
          .selectFrom('settings')
          .select('value')
          .where('name', '=', 'list')
          .executeTakeFirstOrThrow();
        await new Promise((resolve) => setImmediate(resolve));
        await db
          .updateTable('settings')
          .set({ value: `${row.value}${index},` })
          .execute();
      });
    await Promise.all(Array.from({ length: 50 }, (_, index) => append(index)));
    assert.equal((await setting(store, 'list'))?.value, `${Array.from({ length: 50 }, (_, index) => index).join()},`);
  });

  test(named('a read does not see a change that is not committed, and does not wait for it'), async (context) => {
    await using store = await engine.create(await engine.place(context));
    const written = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const change = store.change(async (db) => {
      await db.insertInto('settings').values({ name: 'open', value: 'x' }).execute();
      written.resolve();
      await end.promise;
    });
    await written.promise;
    assert.equal(await setting(store, 'open'), undefined);
    end.resolve();
    await change;
    assert.ok(await setting(store, 'open'));
  });

  for (const way of ['read', 'snapshot'] as const) {
    test(named(`a ${way} sees one state, however many changes are committed while it lasts`), async (context) => {
      await using store = await engine.create(await engine.place(context));
      await put(store, 'before');
      await store[way](async (db) => {
        const count = async () => (await db.selectFrom('settings').select('name').execute()).length;
        assert.equal(await count(), 1);
        await put(store, 'while');
        assert.equal(await count(), 1);
      });
      assert.ok(await setting(store, 'while'));
    });
  }

  test(
    named('a look-up of one statement sees what is committed alone, and one that fails keeps none out'),
    async (context) => {
      await using store = await engine.create(await engine.place(context));
      const looked = async () => {
        const rows = await store.lookUp((db) => db.selectFrom('settings').select('name').execute());
        return rows.map(({ name }) => name);
      };
      const end = Promise.withResolvers<void>();
      const written = Promise.withResolvers<void>();
      const change = store.change(async (db) => {
        await db.insertInto('settings').values({ name: 'open', value: 'x' }).execute();
        written.resolve();
        await end.promise;
      });
      await written.promise;
      assert.deepEqual(await looked(), []);
      end.resolve();
      await change;
      assert.deepEqual(await looked(), ['open']);
      await assert.rejects(
        store.lookUp((db) =>
          db
            .selectFrom('nowhere' as 'settings')
            .select('name')
            .execute(),
        ),
      );
      const [first, row, last] = await Promise.all([looked(), setting(store, 'open'), looked()]);
      assert.deepEqual([first, row?.value, last], [['open'], 'x', ['open']]);
    },
  );

  test(named('a read that fails does not keep the next one out'), async (context) => {
    await using store = await engine.create(await engine.place(context));
    await assert.rejects(
      store.read(async () => {
        throw new Error('no');
      }),
      /no/,
    );
    assert.equal(await setting(store, 'any'), undefined);
  });

  test(named('a row that names a subject which is not there is refused'), async (context) => {
    await using store = await engine.create(await engine.place(context));
    const token = {
      id: 't',
      subject: 'nobody',
      kind: 'device',
      secretHash: 'h',
      createdAt: 0,
      expiresAt: 1,
      voided: 0,
      est: 0,
    };
    await assert.rejects(store.change((db) => db.insertInto('tokens').values(token).execute()));
  });

  test(
    named('nothing is made by accident: opening needs a store, making one refuses an existing one'),
    async (context) => {
      const place = await engine.place(context);
      await assert.rejects(engine.open(place), { code: 'fleet_missing' });
      await assert.rejects(engine.open(place), { code: 'fleet_missing' });
      const store = await engine.create(place);
      await put(store, 'precious');
      await assert.rejects(engine.create(place), { code: 'fleet_exists' });
      assert.ok(await setting(store, 'precious'));
      await store[Symbol.asyncDispose]();
    },
  );

  test(named('a store that nobody asked anything of can be closed and opened again'), async (context) => {
    const place = await engine.place(context);
    await (await engine.create(place))[Symbol.asyncDispose]();
    await (await engine.open(place))[Symbol.asyncDispose]();
    await using store = await engine.open(place);
    assert.equal(await setting(store, 'any'), undefined);
  });
}
