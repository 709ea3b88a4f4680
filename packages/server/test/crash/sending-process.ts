/**
 * A device with an outbox, as a program of its own: puts readings as fast as it is told until it is killed, and says each that was said to be
 * durable, one a line. Without a label it puts none: it ends once a gate has acknowledged all that is kept, and says what it found.
 *   node sending-process.ts DIRECTORY GATE [LABEL RESTMS]
 */
import { writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/contract';
import { Device } from '@portcullis/device';

const drainedMsMax = 240_000;
const fullMs = 500;

const [directory = '', gate = '', label, restMs = '0'] = process.argv.slice(2);
const device = await Device.open({ directory, gates: [gate], only: 'telemetry' });

async function put(id: string, value: number): Promise<void> {
  try {
    await device.send('telemetry', { value }, { id });
    // Synchronous, so that a kill right after it loses no line.
    writeSync(1, `${id}\n`);
  } catch (error) {
    if (!(error instanceof PortcullisError && error.code === 'outbox_full')) throw error;
    await pause(fullMs);
  }
}

if (label === undefined) {
  await device.drained(AbortSignal.timeout(drainedMsMax)).catch(() => undefined);
  writeSync(1, `${JSON.stringify({ kept: device.kept, damaged: device.damaged })}\n`);
  await device.close();
} else {
  for (let number = 0; ; number++) {
    await put(`${label}-${number}`, number);
    await pause(Number(restMs));
  }
}
