/** A whole house of real processes for stories: a fleet on free ports, authority and gate, and devices that are enrolled in it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttributeValue, Receipt } from '@portcullis/contract';
import { credentialFileIn, exportCredential, readCredential } from '@portcullis/device';
import { patienceMs } from '../../../test/patience.ts';
import { type Finished, finished, freeBasePort, launchOf, Running, succeeded } from '../../../tools/commands.ts';
import { Operator } from './operator.ts';

export interface Pem {
  key: string;
  cert: string;
  ca: string;
}

export interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

export class House {
  readonly home = mkdtempSync(join(tmpdir(), 'portcullis-house-'));
  readonly fleet = join(this.home, 'fleet');
  basePort = 0;
  /** How long `init` took, here and now: a measure of what else the machine does. */
  initMs = 0;
  authority: Running | undefined;
  gate: Running | undefined;
  /** What `open` adds to the environment of each; `configure` may set it. */
  readonly environments: Record<'authority' | 'gate', Record<string, string>> = { authority: {}, gate: {} };

  /** `wanted`: what `init` is told besides. */
  static async open(
    configure: (house: House) => void | Promise<void> = () => undefined,
    wanted: readonly string[] = [],
  ): Promise<House> {
    const house = new House();
    try {
      house.basePort = await freeBasePort();
      const begun = performance.now();
      await succeeded(
        'portcullis',
        'init',
        house.fleet,
        '--desk',
        'none',
        '--base-port',
        String(house.basePort),
        ...wanted,
      );
      house.initMs = performance.now() - begun;
      await configure(house);
      await house.startAuthority(house.environments.authority);
      await house.startGate(house.environments.gate);
      return house;
    } catch (error) {
      await house.close();
      throw error;
    }
  }

  get gateUrl(): string {
    return `https://localhost:${this.basePort + 3}`;
  }

  get mqttUrl(): string {
    return `mqtts://localhost:${this.basePort + 4}`;
  }

  async startAuthority(environment: Record<string, string> = {}): Promise<void> {
    this.authority = new Running(launchOf('portcullis', environment), 'start', 'authority', this.fleet);
    await this.authority.line(/^authority listening/, patienceMs);
  }

  async startGate(environment: Record<string, string> = {}): Promise<void> {
    this.gate = new Running(launchOf('portcullis', environment), 'start', 'gate', this.fleet);
    await this.gate.line(/^gate listening/, patienceMs);
  }

  /** Adds to a file of the fleet before anything starts. */
  configure(file: 'fleet.yaml' | 'gate.yaml', change: (text: string) => string): void {
    this.configureIn(this.fleet, file, change);
  }

  configureIn(directory: string, file: 'fleet.yaml' | 'gate.yaml', change: (text: string) => string): void {
    const path = join(directory, file);
    writeFileSync(path, change(readFileSync(path, 'utf8')));
  }

  /**
   * A lease as short as `leastMs` on an idle machine, and longer on one where processes get less of it: what a story says of a lease
   * holds there too, and a lease that lapses by itself says nothing.
   */
  lease(leastMs: number, timesInit = 2.5): { leaseMs: number; patienceMs: number } {
    const leaseMs = Math.round(Math.min(20_000, Math.max(leastMs, timesInit * this.initMs)));
    return { leaseMs, patienceMs: Math.round(leaseMs / 4) };
  }

  portcullis(...words: string[]): Promise<Finished> {
    return finished('portcullis', ...words, '--fleet', this.fleet);
  }

  async json<T>(...words: string[]): Promise<T[]> {
    const out = await succeeded('portcullis', ...words, '--json', '--fleet', this.fleet);
    return out === '' ? [] : out.split('\n').map((line) => JSON.parse(line) as T);
  }

  async change(...words: string[]): Promise<Receipt> {
    const [receipt] = await this.json<Receipt>(...words, '--wait');
    return receipt as Receipt;
  }

  /** Enrols a device, as its own command would and without its start-up time; resolves to its directory. */
  async device(subject: string, attributes?: Record<string, AttributeValue>): Promise<string> {
    const directory = join(this.home, subject);
    const operator = new Operator(this.fleet);
    await operator.enrolled(subject, directory, attributes).finally(() => operator.close());
    return directory;
  }

  /** The files that other tools read. */
  async pem(device: string): Promise<Pem & { directory: string }> {
    const directory = `${device}-pem`;
    exportCredential(readCredential(credentialFileIn(device)), directory);
    const read = (name: string) => readFileSync(join(directory, name), 'utf8');
    return { directory, key: read('key.pem'), cert: read('cert.pem'), ca: read('root.pem') };
  }

  async close(): Promise<void> {
    await this.gate?.stop();
    await this.authority?.stop();
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** One request to a gate with a client certificate of one's own; what a plain HTTPS client gets. */
export function post(
  url: string,
  pem: Partial<Pem>,
  body: string | Buffer,
  headers: Record<string, string> = {},
  agent?: Agent,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const type = { 'content-type': 'application/json', ...headers };
    const sent = request(
      url,
      { method: 'POST', ...pem, headers: type, agent: agent ?? new Agent({ keepAlive: false }) },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
        answer.on('error', reject);
      },
    );
    sent.setTimeout(patienceMs, () => sent.destroy(new Error(`no answer within ${patienceMs} ms`)));
    sent.on('error', reject);
    sent.end(body);
  });
}

/** The same until the gate decides: where a busy machine let a lease lapse it says 503, and every client asks again. */
export async function decided(...asked: Parameters<typeof post>): Promise<Answer> {
  let answer = await post(...asked);
  await eventually(async () => {
    if (answer.status === 503) answer = await post(...asked);
    return answer.status !== 503;
  }, 'the gate decides');
  return answer;
}

export const readingsUrl = (house: House, stream = 'telemetry') => `${house.gateUrl}/v1/streams/${stream}/readings`;

/** Polls until it is so, or fails with the words. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  words: string,
  withinMs = patienceMs,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (performance.now() < end) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`not within ${withinMs} ms: ${words}`);
}
