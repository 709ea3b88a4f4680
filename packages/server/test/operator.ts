/** An operator of a fleet, in this process: its changes and questions go out at once, where a command would first have to start. */
import { join } from 'node:path';
import {
  type AttributeValue,
  authoritiesOf,
  ChangeView,
  GateView,
  type Kind,
  page,
  ReadingView,
  Receipt,
  RolloversView,
  SubjectDelta,
  TokenCreated,
} from '@portcullis/contract';
import { type Credential, enrol, exchange, Link, parseAnswer, problemOf, readCredential } from '@portcullis/device';
import { z } from 'zod';
import type { Pem } from './house.ts';

export const TokensCreated = z.object({ tokens: z.array(TokenCreated) });
const Deltas = page(SubjectDelta);
/** A change waits for its receipt longer than any lease and patience of a story can take; the answer may take a little longer still. */
const receiptMsMax = 110_000;
const limitMs = 120_000;

export class Operator {
  readonly credential: Credential;
  readonly link: Link;
  readonly #authority: string;

  /** `file`: the credential; that of the first operator lies in the fleet's directory. */
  constructor(fleet: string, file = join(fleet, 'operator.json')) {
    this.credential = readCredential(file);
    const { roots, fleet: name, authority = '' } = this.credential;
    const addresses = authoritiesOf(this.credential);
    this.link = new Link({ roots, fleet: name, role: 'authority', addresses, credential: this.credential });
    this.#authority = authority;
  }

  /** Sets attributes of one subject or of many, as one revision, and waits for the receipt. */
  set(subject: string | string[], set: Record<string, string | number | boolean>, waitLimitMs = receiptMsMax) {
    return this.change('attributes', { subjects: [subject].flat(), set }, waitLimitMs);
  }

  /** `subject` may be a fingerprint. */
  stand(action: 'suspend' | 'resume' | 'revoke', subject: string, waitLimitMs = receiptMsMax): Promise<Receipt> {
    const named = /^[0-9a-f]{64}$/.test(subject) ? { fingerprint: subject } : { subject };
    return this.change('standings', { action, ...named }, waitLimitMs);
  }

  change(path: string, body: object, waitLimitMs: number): Promise<Receipt> {
    const url = `${this.#authority}/v1/${path}?wait=all&waitLimitMs=${waitLimitMs}`;
    return exchange(this.link, url, body, Receipt, limitMs);
  }

  /** Makes a subject, with the usual attributes unless others are given, and enrols it in `directory`; resolves to what it would send with. */
  async enrolled(
    subject: string,
    directory: string,
    attributes?: Record<string, AttributeValue>,
    kind: Kind = 'device',
  ): Promise<Pem> {
    const tokens = [{ subject, kind, ...(attributes && { attributes }) }];
    const created = await exchange(this.link, `${this.#authority}/v1/tokens`, { tokens }, TokensCreated);
    const token = created.tokens[0]?.token as string;
    const { key, certificate, issuer, roots } = await enrol({ token, directory });
    return { key, cert: certificate + issuer, ca: roots };
  }

  async gates(): Promise<GateView[]> {
    const { items } = await this.#get(`${this.#authority}/v1/gates`, z.strictObject({ items: z.array(GateView) }));
    return items;
  }

  rollovers(): Promise<RolloversView> {
    return this.#get(`${this.#authority}/v1/rollovers`, RolloversView);
  }

  /** What a gate has stored of a subject and shows, oldest first. */
  async readings(gateUrl: string, subject: string): Promise<ReadingView[]> {
    const { roots, fleet } = this.credential;
    const link = new Link({ roots, fleet, role: 'gate', credential: this.credential });
    const shape = z.looseObject({ items: z.array(ReadingView) });
    const url = `${gateUrl}/v1/readings?subject=${subject}&limit=1000`;
    return (await this.#get(url, shape, link).finally(() => link.close())).items;
  }

  /** An answer of a gate as it is. */
  async ofGate(url: string): Promise<{ status: number; body: string }> {
    const { roots, fleet } = this.credential;
    const link = new Link({ roots, fleet, role: 'gate', credential: this.credential });
    const { status, body } = await link.request({ url, method: 'GET', timeoutMs: limitMs }).finally(() => link.close());
    return { status, body: body.toString('utf8') };
  }

  /** What a revision changed, also in parts, and how far it is in force now. */
  async changeAt(revision: number): Promise<ChangeView> {
    const url = `${this.#authority}/v1/changes/${revision}`;
    const change = await this.#get(url, ChangeView);
    if ((change.changed ?? 0) <= change.subjects.length) return change;
    const subjects: SubjectDelta[] = [];
    for (let after: string | null = '0'; after !== null; ) {
      const { items, next }: z.infer<typeof Deltas> = await this.#get(`${url}/subjects?after=${after}`, Deltas);
      subjects.push(...items);
      after = next;
    }
    return { ...change, subjects };
  }

  close(): void {
    this.link.close();
  }

  async #get<Shape extends z.ZodType>(url: string, shape: Shape, link = this.link): Promise<z.infer<Shape>> {
    const answer = await link.request({ url, method: 'GET', timeoutMs: limitMs });
    if (answer.status !== 200) throw problemOf(answer);
    return shape.parse(parseAnswer(answer));
  }
}
