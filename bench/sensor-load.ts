/** Sensors of a bench, in a process of their own: each sends one reading after the other, in the datagrams of examples/low-power-sensor. Run by `fork`. */
import { randomBytes } from 'node:crypto';
import type { SensorKeys } from '../examples/low-power-sensor/flash.ts';
import { cborFormat, measurementBytes } from '../examples/low-power-sensor/measurement.ts';
import { Radio } from '../examples/low-power-sensor/radio.ts';
import { Sensor } from '../examples/low-power-sensor/sensor.ts';

export interface SensorJob {
  port: number;
  keys: SensorKeys[];
  milliseconds: number;
}

export interface SensorsDone {
  stored: number;
  failures: number;
  milliseconds: number;
}

/** It never writes: what is measured is the gate, and keys of a bench are used by one process alone. */
class Memory {
  content: SensorKeys & { reserved: number; idContext: string | null };

  constructor(keys: SensorKeys) {
    this.content = { ...keys, reserved: 0, idContext: null };
  }

  change(changed: object): void {
    this.content = { ...this.content, ...changed };
  }
}

async function run({ port, keys, milliseconds }: SensorJob): Promise<SensorsDone> {
  const done: SensorsDone = { stored: 0, failures: 0, milliseconds: 0 };
  const payload = measurementBytes({ celsius: -18.5, power: 87 });
  const begun = performance.now();
  await Promise.all(
    keys.map(async (own) => {
      const radio = new Radio({ host: '127.0.0.1', port });
      const sensor = new Sensor({ flash: new Memory(own), radio, block: 1_000_000, random: randomBytes });
      while (performance.now() - begun < milliseconds) {
        const answer = await sensor.send({ stream: 'telemetry', payload, contentFormat: cborFormat });
        if (answer.code === '2.04') done.stored++;
        else done.failures++;
      }
      await radio.close();
    }),
  );
  done.milliseconds = performance.now() - begun;
  return done;
}

process.once('message', async (job) => process.send?.(await run(job as SensorJob)));
