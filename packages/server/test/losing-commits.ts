import { type AddressInfo, connect, createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { freshSchema, serverPort } from './postgres.ts';

/** What stands before the database, and on demand keeps the answer to a commit for itself. */
export async function losingCommits(context: TestContext) {
  const { schema } = freshSchema(context);
  const losing = { next: false };
  const server = createServer((near) => {
    const far = connect(serverPort, '127.0.0.1');
    let isLost = false;
    near.on('data', (bytes) => {
      if (losing.next && bytes.includes('commit')) isLost = true;
      far.write(bytes);
    });
    far.on('data', (bytes) => {
      if (!isLost) return near.write(bytes);
      losing.next = false;
      return far.destroy();
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const)
      one.on('error', () => undefined).on('close', () => other.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
  return { schema, losing, port: (server.address() as AddressInfo).port };
}
