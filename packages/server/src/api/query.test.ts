import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Rooms } from './route.ts';
import { apiRoutes, openRoutes } from './routes.ts';
import { makeServer } from './server.ts';

/** Every row as anybody may ask it, whatever its body: only the query is looked at. */
const rows = [...apiRoutes, ...openRoutes].map((row) => ({
  ...row,
  ...{
    kinds: [],
    schemas: row.schemas.query ? { query: row.schemas.query } : {},
    answer: undefined,
    handle: async () => ({ done: true }),
  },
}));
const server = await makeServer({ log: { error() {} } } as unknown as Rooms, rows, {} as never);

for (const { method, path, schemas } of rows) {
  const url = path.replaceAll(/:\w+/g, 'some');
  test(`${method} ${path} refuses by name what its query does not take`, async () => {
    const { statusCode, body } = await server.inject({ method, url: `${url}?colour=red` });
    const { reason, detail } = JSON.parse(body);
    assert.deepEqual([statusCode, reason], [400, 'request_malformed']);
    if (schemas.query) {
      // The detail may name first what is missing.
      const { issues = [] } = schemas.query.safeParse({ colour: 'red' }).error ?? {};
      assert.deepEqual(
        issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : [])),
        ['colour'],
      );
      return;
    }
    assert.equal(detail, 'querystring: Unrecognized key: "colour"');
    assert.equal((await server.inject({ method, url: `${url}?` })).statusCode, 200);
  });
}
