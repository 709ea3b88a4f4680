/** `low-power-sensor.ts flash FILE` and `low-power-sensor.ts send FILE --gate HOST:PORT STREAM`: README.md says more. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Flash, type SensorKeys } from './flash.ts';
import { cborFormat, measurementBytes } from './measurement.ts';
import { Radio } from './radio.ts';
import { type Answer, Sensor } from './sensor.ts';

const usage = `low-power-sensor.ts flash FILE          keys as JSON on standard input
low-power-sensor.ts send FILE --gate HOST:PORT STREAM [--celsius N] [--power N] [--count N] [--bytes]`;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    gate: { type: 'string' },
    celsius: { type: 'string', default: '-18.5' },
    power: { type: 'string', default: '87' },
    count: { type: 'string', default: '1' },
    bytes: { type: 'boolean', default: false },
  },
});

async function send(file: string, gate: string, stream: string): Promise<boolean> {
  const { hostname, port } = new URL(`coap://${gate}`);
  const onDatagram = (direction: 'up' | 'down', bytes: Buffer) => {
    if (values.bytes)
      console.error(`${direction === 'up' ? '->' : '<-'} ${bytes.length} bytes ${bytes.toString('hex')}`);
  };
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const radio = new Radio({ host, port: Number(port || 5683), onDatagram });
  const sensor = new Sensor({ flash: Flash.open(file), radio });
  const payload = measurementBytes({ celsius: Number(values.celsius), power: Number(values.power) });
  let stored = true;
  try {
    for (let left = Number(values.count); left > 0; left--) {
      const answer = await sensor.send({ stream, payload, contentFormat: cborFormat });
      stored &&= answer.code === '2.04';
      console.log(lineOf(answer));
    }
  } finally {
    await radio.close();
  }
  return stored;
}

const lineOf = ({ code, text }: Answer) => (code === '2.04' ? '2.04 stored' : `${code} ${text}`);

async function main(): Promise<number> {
  const [command, file, stream] = positionals;
  if (command === 'flash' && file !== undefined) {
    Flash.make(file, JSON.parse(readFileSync(0, 'utf8')) as SensorKeys);
    return 0;
  }
  if (command === 'send' && file !== undefined && stream !== undefined && values.gate !== undefined) {
    return (await send(file, values.gate, stream)) ? 0 : 1;
  }
  console.error(usage);
  return 2;
}

process.exitCode = await main().catch((error: Error) => {
  console.error(error.message);
  return 1;
});
