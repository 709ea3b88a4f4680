import { parentPort } from 'node:worker_threads';
import { PortcullisError } from '@portcullis/contract';
import type { Asked, Told } from './delivery-reading.ts';
import { readDelivery } from './read-delivery.ts';

/** What the other side takes in one turn of its event loop. */
const alertsAtOnce = 500;

const tell = (told: Told) => parentPort?.postMessage(told);

parentPort?.on('message', ({ id, format, headers, raw }: Asked) => {
  try {
    const { alerts, ...ended } = readDelivery(format, headers, Buffer.from(raw.buffer, raw.byteOffset, raw.length));
    for (let at = 0; at < alerts.length; at += alertsAtOnce) tell({ id, alerts: alerts.slice(at, at + alertsAtOnce) });
    tell({ id, ended });
  } catch (error) {
    const code = error instanceof PortcullisError ? error.code : 'internal';
    tell({ id, code, message: (error as Error).message });
  }
});
