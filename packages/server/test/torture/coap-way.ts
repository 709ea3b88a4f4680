/** A sensor without X.509: the one of examples/, with a flash that lasts as long as the run. */
import type { SensorKeys } from '../../../../examples/low-power-sensor/flash.ts';
import { Radio } from '../../../../examples/low-power-sensor/radio.ts';
import { Sensor } from '../../../../examples/low-power-sensor/sensor.ts';
import { type Answer, type Place, readingOf, type Way } from './way.ts';

export interface Keys extends SensorKeys {
  /** What it is known by where certificates are known by theirs. */
  fingerprint: string;
}

/** Three tries take as long as any other transport waits for an answer. */
const patience = { firstWaitMs: 600, repeatsMax: 2 };
const jsonFormat = 50;
const [stored, forbidden, unavailable] = ['2.04', '4.03', '5.03'];

export class CoapWay implements Way {
  readonly most = 1;
  /** A stranger, who a suspended one is, is told nothing that anybody could not have said. */
  readonly tells = false;
  readonly #port: number;
  readonly #flash: { content: SensorKeys & { reserved: number; idContext: string | null } } & {
    change(changed: object): void;
  };
  #radio!: Radio;
  #sensor!: Sensor;

  constructor({ coapPort }: Place, { keyId, serverId, masterSecret, masterSalt }: Keys) {
    this.#port = coapPort;
    const flash = {
      content: { keyId, serverId, masterSecret, masterSalt, reserved: 0, idContext: null },
      change: (changed: object) => {
        flash.content = { ...flash.content, ...changed };
      },
    };
    this.#flash = flash;
    this.#start();
  }

  async send([id = '']: readonly string[]): Promise<Answer> {
    const payload = Buffer.from(JSON.stringify(readingOf(id)));
    try {
      const { code, text } = await this.#sensor.send({ stream: 'telemetry', payload, contentFormat: jsonFormat });
      if (code === stored) return { status: 202, reason: '' };
      return { status: code === forbidden ? 403 : code === unavailable ? 503 : 500, reason: text || code };
    } catch (error) {
      return { status: 0, reason: (error as Error).message };
    }
  }

  /** Its power went: what is in its flash is there, and its port another one. */
  breakOff(): void {
    void this.#radio.close();
    this.#start();
  }

  close(): void {
    void this.#radio.close();
  }

  #start(): void {
    this.#radio = new Radio({ host: '127.0.0.1', port: this.#port, ...patience });
    this.#sensor = new Sensor({ flash: this.#flash, radio: this.#radio });
  }
}
