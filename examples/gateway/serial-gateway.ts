/** `serial-gateway.ts CARRIER`: lines `STREAM SEAL` on standard input, what gates signed on standard output. README.md says more. */
import { createInterface } from 'node:readline';

const [carrier] = process.argv.slice(2);
if (!carrier) {
  console.error('usage: serial-gateway.ts http://HOST:PORT');
  process.exit(2);
}

const pauseMs = 1_000;
const lineLengthMax = 65_536;

for await (const line of createInterface({ input: process.stdin })) {
  const [, stream, seal] = /^([a-z0-9][a-z0-9._-]{0,62}) ([A-Za-z0-9._-]+)$/.exec(line) ?? [];
  if (stream && seal && line.length <= lineLengthMax) process.stdout.write(await carried(stream, seal));
  else console.error('this is no seal');
}

/** Until the carrier has an answer of a gate: to be kept there is none. */
async function carried(stream: string, seal: string): Promise<string> {
  for (;;) {
    const answer = await fetch(`${carrier}/v1/streams/${stream}/sealed`, {
      method: 'POST',
      headers: { 'content-type': 'application/jose', prefer: 'wait=20' },
      body: `${seal}\n`,
    }).catch((error: Error) => error);
    if (answer instanceof Response && answer.status === 200) return answer.text();
    console.error(answer instanceof Response ? `the carrier answered ${answer.status}` : answer.message);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
