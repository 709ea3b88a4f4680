/** What proxies ask of a gate, over its socket and its port, beside listeners with a replica and a lease that the test owns. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { CutMessage } from '@portcullis/contract';
import { Cuts } from '../src/gate/listeners/decide/cuts.ts';
import { DecideFront } from '../src/gate/listeners/decide/decide-front.ts';
import { realSystem } from '../src/telemetry/telemetry.ts';
import type { Leaf } from './fleet-certificates.ts';
import { OpenFront } from './open-front.ts';

/** What a certificate is to a proxy's header: base64 of its DER. */
export const derOf = ({ cert }: Leaf) => (cert.split('-----END')[0] as string).replace(/-----[^-]+-----|\s/g, '');

interface Answered {
  status: number;
  reason: string | undefined;
  text: string;
}

export async function answered(sent: ClientRequest, body?: string): Promise<Answered> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve).once('error', reject).end(body);
  });
  let text = '';
  for await (const piece of answer.setEncoding('utf8')) text += piece as string;
  return { status: answer.statusCode ?? 0, reason: answer.headers['portcullis-reason'] as string | undefined, text };
}

export class Asking {
  readonly gate: OpenFront;
  readonly cuts: Cuts;
  readonly path: string;
  readonly front: DecideFront;
  now: number | undefined;

  private constructor(gate: OpenFront, directory: string) {
    this.gate = gate;
    this.cuts = new Cuts();
    this.path = join(directory, 'decide.sock');
    const { ground, connections, verdicts, advice, notes } = gate;
    const limits = {
      ...{ handshakeMs: 5_000, pendingHandshakesMax: 64, connectionsMax: 100, connectionsPerCertificateMax: 4 },
      ...{ idleMs: 60_000, requestMs: 10_000, bodyBytesPerSecondMin: 1_024 },
      ...{ unfinishedBytesPerAddressMax: 1_048_576, unfinishedBytesMax: 1_048_576 },
    };
    this.front = new DecideFront({
      ...{ ground, connections, verdicts, advice, notes, cuts: this.cuts },
      system: { ...realSystem, monotonic: () => this.now ?? realSystem.monotonic() },
      settings: { listen: { host: '127.0.0.1', decideSocket: this.path, decidePort: 0 }, limits },
    });
  }

  static async open(context: TestContext): Promise<Asking> {
    return Asking.beside(
      await OpenFront.open(context, { ask: { kinds: ['gateway'], expect: { proxy: true } } }),
      context,
    );
  }

  static async beside(gate: OpenFront, context: TestContext): Promise<Asking> {
    const directory = mkdtempSync(join(tmpdir(), 'portcullis-decide-'));
    const asking = new Asking(gate, directory);
    const { key, cert } = await gate.certificates.leaf({ subject: 'gate-1', kind: 'gate', purpose: 'server' });
    await asking.front.listen({ key, certificate: cert, trust: gate.certificates.trust });
    context.after(async () => {
      await asking.front.close();
      rmSync(directory, { recursive: true, force: true });
    });
    return asking;
  }

  /** As the gate does: its own connections first. */
  change(...deltas: Parameters<OpenFront['change']>): void {
    const touched = this.gate.fed.change(deltas);
    this.gate.connections.changed(touched);
    this.cuts.changed(touched);
  }

  ask(path: string, headers: Record<string, string | string[]> = {}): Promise<Answered> {
    return answered(request({ socketPath: this.path, path, headers, agent: false }));
  }

  post(body: unknown): Promise<Answered> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return answered(request({ socketPath: this.path, method: 'POST', path: '/v1/decide', agent: false }), text);
  }

  overNetwork({ key, cert }: Leaf, path: string, headers = {}): Promise<Answered> {
    const { port } = this.front;
    const ca = this.gate.certificates.rootPem;
    return answered(tlsRequest({ host: '127.0.0.1', port, path, headers, key, cert, ca, agent: false }));
  }

  /** What it is told, line by line, into a list that grows. */
  async follow(context: TestContext, query = ''): Promise<CutMessage[]> {
    const lines: CutMessage[] = [];
    const sent = request({ socketPath: this.path, path: `/v1/cuts${query}`, agent: false }).on(
      'error',
      () => undefined,
    );
    context.after(() => sent.destroy());
    sent.end();
    const answer = await new Promise<IncomingMessage>((resolve) => sent.once('response', resolve));
    assert.equal(answer.statusCode, 200);
    let rest = '';
    answer.on('error', () => undefined).setEncoding('utf8');
    answer.on('data', (piece: string) => {
      const whole = `${rest}${piece}`.split('\n');
      rest = whole.pop() as string;
      for (const line of whole) lines.push(JSON.parse(line));
    });
    return lines;
  }
}
