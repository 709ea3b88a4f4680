/** `lying-gateway.ts LIE PORT CARRIER`: stands before a carrier and lies to both sides. README.md says more. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type Answer, type Handed, lies } from './lies.ts';

const [name = '', port, carrier] = process.argv.slice(2);
const lie = lies[name];
if (!lie || !port || !carrier) {
  console.error(`usage: lying-gateway.ts ${Object.keys(lies).join('|')} PORT http://CARRIER:PORT`);
  process.exit(2);
}

async function forward({ stream, seals }: Handed): Promise<Answer> {
  const answer = await fetch(`${carrier}/v1/streams/${stream}/sealed`, {
    method: 'POST',
    headers: { 'content-type': 'application/jose', 'cache-control': 'no-cache', prefer: 'wait=20' },
    body: seals.map((seal) => `${seal}\n`).join(''),
  });
  return { status: answer.status, type: answer.headers.get('content-type') ?? '', body: await answer.text() };
}

const server = createServer(async (request, response) => {
  const [, stream = ''] = /^\/v1\/streams\/([^/]+)\/sealed$/.exec(request.url ?? '') ?? [];
  const seals = (await text(request)).split('\n').filter((line) => line !== '');
  const { status, type, body } = await lie({ stream, seals }, forward);
  response.writeHead(status, { 'content-type': type }).end(body);
});
server.listen(Number(port), '127.0.0.1', () => {
  console.log(`lying-gateway: ${name} at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
