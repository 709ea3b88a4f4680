/** Both sides of a storm, each in a process of its own: devices that stay connected and send by the clock, and those that all come back at once. Run by `fork`. */
import { readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';

export type Asked =
  | { connected: { port: number; pem: string; devices: number; everyMs: number; prefix: string } }
  | { storm: { port: number; pem: string; devices: number; prefix: string } }
  | { report: true };
export type Told =
  | { ready: true }
  /** Of the readings that were due since the last report: how long each took from then to its acknowledgement. */
  | { milliseconds: number[]; lost: number }
  | { back: number; tries: number; seconds: number };

const path = '/v1/streams/telemetry/readings';
/** As many addresses as a fleet has sites, so that no share of one address is in the way. */
const addresses = 200;
/** Who hears nothing for so long begins anew. */
const silentMs = 10_000;
const againMs = { least: 500, most: 2_000 };

function identityOf(pem: string) {
  const file = (name: string) => readFileSync(`${pem}/${name}`);
  return { key: file('key.pem'), cert: file('cert.pem'), ca: file('root.pem') };
}
type Identity = ReturnType<typeof identityOf>;

function open(port: number, identity: Identity, localAddress: string): TLSSocket {
  const to = { host: '127.0.0.1', servername: 'localhost', port, localAddress, minVersion: 'TLSv1.3' as const };
  // What becomes of it is seen by its end.
  return connect({ ...to, ...identity })
    .setNoDelay(true)
    .setTimeout(silentMs, function ended(this: TLSSocket) {
      this.destroy();
    })
    .on('error', () => undefined);
}

/** Resolves once a reading is acknowledged; rejects where the connection ends before. */
function send(socket: TLSSocket, id: string): Promise<void> {
  const body = `{"_id":"${id}","temperature":21.5,"humidity":40}`;
  const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  return new Promise((resolve, reject) => {
    let text = '';
    const end = () => reject(new Error('the connection ended'));
    const heard = (piece: Buffer) => {
      text += piece.toString('latin1');
      if (!text.endsWith('}')) return;
      socket.off('data', heard).off('close', end);
      if (text.startsWith('HTTP/1.1 202')) resolve();
      else reject(new Error(text.slice(0, 60)));
    };
    socket.on('data', heard).on('close', end);
    socket.write(head + body);
  });
}

let milliseconds: number[] = [];
let lost = 0;

async function stayConnected(asked: Extract<Asked, { connected: object }>['connected'], number: number): Promise<void> {
  const identity = identityOf(asked.pem);
  let socket = open(asked.port, identity, '127.0.0.1');
  let due = performance.now() + (asked.everyMs * number) / asked.devices;
  for (let reading = 0; ; reading++, due += asked.everyMs) {
    await pause(Math.max(0, due - performance.now()));
    const id = `${asked.prefix}-${number}-${reading}`;
    while (
      !(await send(socket, id).then(
        () => true,
        () => false,
      ))
    ) {
      lost++;
      socket.destroy();
      await pause(againMs.least);
      socket = open(asked.port, identity, '127.0.0.1');
    }
    milliseconds.push(performance.now() - due);
  }
}

async function comeBack(
  { port, prefix }: Extract<Asked, { storm: object }>['storm'],
  identity: Identity,
  number: number,
): Promise<number> {
  for (let tries = 1; ; tries++) {
    const socket = open(port, identity, `127.0.1.${1 + (number % addresses)}`);
    const came = await send(socket, `${prefix}-${number}`).then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (came) return tries;
    await pause(againMs.least + Math.random() * (againMs.most - againMs.least));
  }
}

const tell = (told: Told) => process.send?.(told);

process.on('message', async (asked: Asked) => {
  if ('report' in asked) {
    tell({ milliseconds, lost });
    [milliseconds, lost] = [[], 0];
  } else if ('connected' in asked) {
    for (let number = 0; number < asked.connected.devices; number++) void stayConnected(asked.connected, number);
    tell({ ready: true });
  } else {
    // It has a processor with those whose time is taken, and is not to be in their way there.
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
    const identity = identityOf(asked.storm.pem);
    const began = performance.now();
    const all = Array.from({ length: asked.storm.devices }, (_, number) => comeBack(asked.storm, identity, number));
    const tries = (await Promise.all(all)).reduce((sum, one) => sum + one, 0);
    tell({ back: all.length, tries, seconds: (performance.now() - began) / 1_000 });
  }
});
process.on('disconnect', () => process.exit());
