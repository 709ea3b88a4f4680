/** A monitor that says what is wrong with devices, and later that it is right again: the first cuts, the second lets nobody go. */
import { type Receipt, SignalAnswer } from '@portcullis/contract';
import { type Credential, exchange, Link } from '@portcullis/device';

const reaction = (on: string, what: string) =>
  `{ on: 'alert.labels.what == "${on}"', subject: alert.labels.device, ${what}, reason: alert.annotations.reason }`;

/** The section of `fleet.yaml` that it is a source by. */
export const monitoring = `signals:
  torture:
    certificate: monitor-1
    format: json
    may: { attributes: { status: [held] }, standings: [suspend] }
    limit: 100000 in 1s
    reactions:
      - ${reaction('hold', 'hold: { status: held }')}
      - ${reaction('suspend', 'suspend: true')}
`;

const limitMs = 120_000;

export class Monitor {
  readonly #link: Link;
  readonly #url: string;

  constructor(credential: Credential) {
    const { roots, fleet, authority = '' } = credential;
    this.#link = new Link({ roots, fleet, role: 'authority', credential });
    this.#url = `${authority}/v1/signals/torture`;
  }

  /** The receipt of the cut; undefined where it was one already. */
  async fires(
    { fires, subject, reason }: { fires: string; subject: string; reason: string },
    waitLimitMs: number,
  ): Promise<Receipt | undefined> {
    const alert = { key: reason, labels: { what: fires, device: subject }, annotations: { reason } };
    const url = `${this.#url}?wait=all&waitLimitMs=${waitLimitMs}`;
    const { receipt } = await exchange(this.#link, url, alert, SignalAnswer, limitMs);
    // Whatever it is that ended, nobody is let go by it.
    await exchange(this.#link, this.#url, { ...alert, status: 'resolved' }, SignalAnswer, limitMs);
    return receipt;
  }

  close(): void {
    this.#link.close();
  }
}
