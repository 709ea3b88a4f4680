/** A gate's talk with the authority, without a gate: its feed and its lease, one step at a time. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { FeedMessage, LeaseAnswer } from '@portcullis/contract';
import { type Credential, exchange, Link } from '@portcullis/device';

export class BareGate {
  readonly instance = randomBytes(16).toString('hex');
  readonly credential: Credential;
  readonly link: Link;
  readonly messages: FeedMessage[] = [];
  /** What it has been told last. */
  head = { revision: 0, hash: '' };

  constructor(credential: Credential) {
    const { roots, fleet } = credential;
    this.credential = credential;
    this.link = new Link({ roots, fleet, role: 'authority', credential });
  }

  /** Resolves once it knows all that the authority does, to what resolves when the feed has ended. Undefined: it was refused. */
  async feed(): Promise<{ ended: Promise<void> } | undefined> {
    const query = `instance=${this.instance}&attributes=status&clock=${Date.now()}`;
    const url = `${this.credential.authority}/v1/feed?${query}`;
    const answer = await this.link.stream({ url, signal: new AbortController().signal });
    if (answer.statusCode !== 200) {
      answer.destroy();
      return undefined;
    }
    const ended = new Promise<void>((resolve) => answer.once('close', () => resolve()));
    await this.#completed(answer);
    return { ended };
  }

  renew(): Promise<LeaseAnswer> {
    return exchange(this.link, `${this.credential.authority}/v1/leases`, this.leaseRequest(), LeaseAnswer);
  }

  leaseRequest() {
    const counters = {
      connections: 0,
      admitted: 0,
      refused: 0,
      overruns: 0,
      unproven: 0,
      policy: 1,
      policyRefused: false,
    };
    const applied = { applied: this.head.revision, hash: this.head.hash, connectionsClosed: 0 };
    return { instance: this.instance, ...applied, clock: Date.now(), url: 'https://localhost:1', counters };
  }

  close(): void {
    this.link.close();
  }

  #completed(answer: IncomingMessage): Promise<void> {
    // A feed that is torn is an end like another.
    const lines = createInterface({ input: answer }).on('error', () => undefined);
    let complete = false;
    return new Promise((resolve) => {
      lines.on('line', (line) => {
        const message = FeedMessage.parse(JSON.parse(line));
        this.messages.push(message);
        if (message.type !== 'rules' && 'revision' in message)
          this.head = { revision: message.revision, hash: message.hash };
        complete ||= message.type === 'complete';
        // A snapshot may be some seconds old; the changes since follow it, and then a beat.
        if (complete && message.type === 'beat') resolve();
      });
    });
  }
}
