/**
 * P14: no history of a shipment exists that its journey does not allow. Random journeys, with detours and offline steps, take random
 * arrivals, alone and at once, repeated, late and early, corrections, changed roles and conditions, and restarts; after each an acceptor that
 * knows nothing of the product's own looks at what counts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Journey, PortcullisError } from '@portcullis/contract';
import fc from 'fast-check';
import { putSubject, subjectId } from '../../test/records.ts';
import { openShipping, operator, type Shipping } from '../../test/shipping.ts';
import type { Recorded } from './journeys.ts';

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];
const allowance = 5 * minute;
const roles = ['r0', 'r1', 'r2'];

const of = <Value>(...weighted: [Value, number][]) =>
  fc.oneof(...weighted.map(([value, weight]) => ({ weight, arbitrary: fc.constant(value) })));

interface Drawn {
  steps: { role: number; cold: boolean; offline: boolean }[];
  detours: [number, number][];
}

const drawnJourney: fc.Arbitrary<Drawn> = fc.record({
  steps: fc.array(fc.record({ role: fc.nat(2), cold: fc.boolean(), offline: of([true, 2], [false, 1]) }), {
    minLength: 5,
    maxLength: 8,
  }),
  detours: fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { maxLength: 3 }),
});

interface DrawnArrival {
  /** How many steps after the one that is due. */
  ahead: number;
  /** By whoever may record it. */
  right: boolean;
  named: boolean;
  at: number;
  again: boolean;
}

type Act =
  | { do: 'arrive'; arrivals: DrawnArrival[] }
  | { do: 'late'; at: number; warm: boolean }
  | { do: 'wait'; ms: number }
  | { do: 'break' | 'mend' | 'stop' | 'restart' }
  | { do: 'role'; who: number }
  | { do: 'void'; which: number }
  | { do: 'declare'; ahead: number; at: number; replaces: number };

const times = [0, -2 * minute, -3 * hour, -10 * minute, -8 * day, hour, 2 * minute];
const ahead = of([0, 10], [1, 4], [2, 3], [-1, 2], [-2, 1]);
const at = of([0, 10], [1, 3], [2, 3], [3, 2], [4, 1], [5, 1], [6, 1]);
const yes = of([true, 6], [false, 1]);
const arrival = fc.record({ ahead, right: yes, named: fc.boolean(), at, again: of([true, 1], [false, 8]) });
const actions = <Name extends Act['do'], Rest extends object>(
  name: Name,
  rest: { [Key in keyof Rest]: fc.Arbitrary<Rest[Key]> },
) => fc.record({ do: fc.constant(name), ...rest }) as unknown as fc.Arbitrary<Act>;
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 14, arbitrary: actions('arrive', { arrivals: fc.array(arrival, { minLength: 1, maxLength: 3 }) }) },
  { weight: 4, arbitrary: actions('late', { at: of([1, 2], [2, 4], [3, 2]), warm: fc.boolean() }) },
  { weight: 3, arbitrary: actions('wait', { ms: of([minute, 2], [4 * hour, 4], [2 * day, 1]) }) },
  { weight: 1, arbitrary: actions('role', { who: fc.nat(2) }) },
  { weight: 1, arbitrary: actions('void', { which: fc.nat(9) }) },
  { weight: 1, arbitrary: actions('declare', { ahead, at, replaces: fc.nat(20) }) },
  ...(['break', 'mend', 'mend', 'stop', 'restart'] as const).map((name) => ({
    weight: name === 'stop' || name === 'break' ? 1 : 2,
    arbitrary: actions(name, {}),
  })),
);

function journeyOf({ steps, detours }: Drawn, journey: string): Journey {
  const names = steps.map((_, index) => `s${index}`);
  const last = names.length - 1;
  const back = detours
    .filter(([from, to]) => to < from && from < last)
    .map(([from, to]) => ({ from: `s${from}`, back: `s${to}` }));
  return {
    ...{ journey, detours: back, offlineMaxMs: 7 * day },
    steps: steps.map(({ role, cold }, index) => ({
      ...{
        name: `s${index}`,
        by: { role: roles[role] },
        require: cold ? { cold: 'intact' } : {},
        final: index === last,
      },
    })) as Journey['steps'],
    offline: names.filter((_, index) => steps[index]?.offline && index < last),
  };
}

/** What was so when: the test's own memory. */
class Timeline {
  readonly #said: { at: number; value: unknown }[] = [];
  say(at: number, value: unknown): void {
    this.#said.push({ at, value });
  }
  /** Whether it was this at that time, or changed then. */
  was(at: number, value: unknown): boolean {
    const before = this.#said.findLast((one) => one.at < at);
    return before?.value === value || this.#said.some((one) => one.at === at && one.value === value);
  }
}

type Asked = Parameters<Shipping['journeys']['record']>;

let made = 0;
class Run {
  readonly id = `box-${++made}`;
  readonly journey: Journey;
  readonly shipping: Shipping;
  readonly cold = new Timeline();
  readonly role = roles.map(() => new Timeline());
  readonly who = roles.map((_, index) => `c-${made}-${index}`);
  readonly answered = new Map<string, { asked: Asked; answer: Recorded }>();
  /** Of each pair of steps that may follow each other. */
  readonly pairs: ReadonlySet<string>;

  constructor(shipping: Shipping, drawn: Drawn) {
    this.shipping = shipping;
    this.journey = journeyOf(drawn, `lane-${made}`);
    const names = this.journey.steps.map(({ name }) => name);
    const forward = names.map((name, index) => `${names[index - 1] ?? ''}>${name}`);
    this.pairs = new Set([...forward, ...this.journey.detours.map(({ from, back }) => `${from}>${back}`)]);
  }

  get now(): number {
    return this.shipping.clock.now;
  }

  async begin(): Promise<void> {
    const { shipping, id, journey } = this;
    shipping.source.journeys = [journey];
    for (const [index, subject] of this.who.entries()) {
      await putSubject(shipping, subject, 'checkpoint', { role: roles[index] as string });
      this.role[index]?.say(this.now, roles[index]);
    }
    const attributes = { cold: 'intact' } as never;
    this.cold.say(this.now, 'intact');
    await shipping.journeys.create(operator, { shipment: subjectId(id), journey: journey.journey, attributes });
  }

  rows() {
    return this.shipping.store.read((db) =>
      db
        .selectFrom('arrivals')
        .selectAll()
        .where('shipment', '=', this.id)
        .orderBy('counts')
        .orderBy('number')
        .execute(),
    );
  }

  async counting() {
    return (await this.rows()).filter(({ counts }) => counts !== null);
  }

  async act(given: Act): Promise<void> {
    const { shipping, id } = this;
    shipping.clock.now += 1_000;
    if (given.do === 'arrive') return this.arrive(given.arrivals);
    if (given.do === 'late') return this.late(given);
    if (given.do === 'wait') shipping.clock.now += given.ms;
    if (given.do === 'break' || given.do === 'mend')
      await this.set(id, 'cold', given.do === 'break' ? 'broken' : 'intact', this.cold);
    if (given.do === 'role') {
      const { who } = given;
      await this.set(
        this.who[who] as string,
        'role',
        this.role[who]?.was(this.now, roles[who]) ? 'none' : (roles[who] as string),
        this.role[who] as Timeline,
      );
    }
    if (given.do === 'restart') await shipping.reopen();
    if (given.do === 'stop') await this.halt();
    if (given.do === 'void')
      await this.correct(given.which, (row) =>
        shipping.journeys.takeBack(operator, id, { arrival: row ?? 'none', reason: 'r' }),
      );
    if (given.do === 'declare') {
      const at = new Date(this.now + (times[given.at] as number)).toISOString();
      const step = this.stepAt((await this.counting()).at(-1)?.step, given.ahead).name;
      const asked = { arrival: `d-${++made}`, step, reason: 'r', ...(given.at > 0 && { at }) };
      await this.correct(given.replaces, (replaces) =>
        shipping.journeys.declare(operator, id, { ...asked, ...(replaces !== undefined && { replaces }) }),
      );
    }
  }

  async set(subject: string, name: string, value: string, told: Timeline): Promise<void> {
    await this.shipping.attributes.change(operator, {
      subjects: [subjectId(subject)],
      set: { [name]: value } as never,
    });
    told.say(this.now, value);
  }

  /** What a correction may not leave is refused, with one of these codes. */
  async correct(which: number, work: (arrival: string | undefined) => Promise<unknown>): Promise<void> {
    const rows = await this.rows();
    try {
      await work(rows[which]?.arrival);
    } catch (error) {
      const { code } = error as PortcullisError;
      const own = [
        'correction_not_allowed',
        'arrival_unknown',
        'out_of_sequence',
        'journey_finished',
        'shipment_stopped',
      ];
      const judged = ['condition_not_met', 'too_early', 'too_late', 'time_contradicts', 'arrivals_pending'];
      assert.ok([...own, ...judged].includes(code), String(error));
    }
  }

  /** The step that is so many after the one that is due. */
  stepAt(last: string | null | undefined, ahead: number): Journey['steps'][number] {
    const { steps } = this.journey;
    const due = last == null ? 0 : steps.findIndex(({ name }) => name === last) + 1;
    return steps[Math.max(0, Math.min(steps.length - 1, due + ahead))] as Journey['steps'][number];
  }

  async arrive(arrivals: DrawnArrival[]): Promise<void> {
    const before = (await this.counting()).at(-1)?.step;
    const asked = arrivals.map((one) => this.asked(one, before));
    const waiting = (await this.rows()).filter(({ outcome }) => outcome === 'pending');
    const isNew = asked.every(([, { arrival }]) => !this.answered.has(arrival));
    const answers = await Promise.all(asked.map((one) => this.shipping.journeys.record(...one)));
    for (const [index, answer] of answers.entries()) this.remember(asked[index] as (typeof asked)[0], answer);
    const [drawn] = arrivals;
    if (arrivals.length > 1 || !isNew || !drawn) return;
    const step = this.stepAt(before, drawn.ahead);
    const isDue = this.pairs.has(`${before ?? ''}>${step.name}`);
    const [[by, { at }], answer] = [asked[0] as (typeof asked)[0], answers[0] as Recorded];
    if (isDue && drawn.named && at === undefined && waiting.length === 0) this.requireFair(step, answer, by.actor);
    if (answer.outcome === 'pending') {
      const names = this.journey.steps.map(({ name }) => name);
      const missing = names.slice(before == null ? 0 : names.indexOf(before) + 1, names.indexOf(answer.step));
      const known = [...this.journey.offline, ...waiting.map((row) => row.step)];
      assert.deepEqual(
        missing.filter((name) => !known.includes(name)),
        [],
        'it waits for offline steps alone',
      );
    }
  }

  /** Nothing is recorded of a shipment that is stopped. */
  async halt(): Promise<void> {
    const { journeys } = this.shipping;
    await journeys.steer(operator, this.id, { action: 'stop' });
    const before = await this.counting();
    await this.arrive([{ ahead: 0, right: true, named: false, at: 0, again: false }]);
    assert.deepEqual(await this.counting(), before);
    await journeys.steer(operator, this.id, { action: 'resume' });
  }

  /** The step after the one that is due comes first, and that one later; it may have been warm between the two. */
  async late({ at, warm }: { at: number; warm: boolean }): Promise<void> {
    const usual = { right: true, named: true, again: false };
    this.shipping.clock.now += hour;
    if (warm) await this.set(this.id, 'cold', 'broken', this.cold);
    this.shipping.clock.now += hour;
    if (warm) await this.set(this.id, 'cold', 'intact', this.cold);
    this.shipping.clock.now += 2 * hour;
    await this.arrive([{ ...usual, ahead: 1, at: 0 }]);
    this.shipping.clock.now += minute;
    await this.arrive([{ ...usual, ahead: 0, at }]);
  }

  asked({ ahead, right, named, at, again }: DrawnArrival, before: string | null | undefined): Asked {
    const old = again ? [...this.answered.values()].at(ahead) : undefined;
    if (old) return old.asked;
    const step = this.stepAt(before, ahead);
    const index = roles.indexOf((step.by as { role: string }).role);
    const actor = this.who[right ? index : (index + 1) % roles.length] as string;
    const time = times[at] === 0 ? {} : { at: new Date(this.now + (times[at] as number)).toISOString() };
    return [{ actor }, { shipment: this.id, arrival: `a-${++made}`, ...(named && { step: step.name }), ...time }];
  }

  /** The same again is answered the same; what waited may have been judged since. */
  remember(asked: Asked, answer: Recorded): void {
    const key = asked[1].arrival;
    const before = this.answered.get(key)?.answer;
    if (before && before.outcome !== 'pending') assert.deepEqual(answer, before);
    this.answered.set(key, { asked, answer });
  }

  /** The step that is due, by who may, with what it demands, now: it is recorded, and else it is not. */
  requireFair({ by, require }: Journey['steps'][number], answer: Recorded, actor: string | undefined): void {
    const isOwn = this.role[this.who.indexOf(actor ?? '')]?.was(this.now, (by as { role: string }).role);
    const isMet = Object.keys(require).length === 0 || this.cold.was(this.now, 'intact');
    const fair = isOwn && isMet;
    assert.equal(answer.outcome === 'recorded', fair, JSON.stringify(answer));
  }

  /** The acceptor: what counts is a way through the journey, of people who might, at times that fit, with what each step demands. */
  async accept(): Promise<void> {
    const rows = await this.rows();
    const counting = rows.filter(({ counts }) => counts !== null);
    let before = { step: '', at: 0 };
    for (const row of counting) {
      const step = this.journey.steps.find(({ name }) => name === row.step) ?? assert.fail(`"${row.step}" is no step`);
      assert.ok(this.pairs.has(`${before.step}>${row.step}`), `${before.step}>${row.step}`);
      assert.ok(row.at >= before.at, 'times go forward');
      this.requireTime(row);
      if (row.declared === 0) {
        const told = this.role[this.who.indexOf(row.checkpoint)] as Timeline;
        for (const at of [row.receivedAt, Math.min(row.at, row.receivedAt)])
          assert.ok(told.was(at, (step.by as { role: string }).role), 'a role');
      }
      if ('cold' in step.require) assert.ok(this.cold.was(Math.min(row.at, this.now), 'intact'), 'the cold chain');
      before = { step: row.step as string, at: row.at };
    }
    const { state, step } = await this.shipping.journeys.read(this.id);
    assert.equal(step ?? '', before.step);
    const isFinal = this.journey.steps.at(-1)?.name === before.step;
    assert.equal(state === 'delivered', isFinal);
    for (const key of this.answered.keys())
      assert.equal(rows.filter(({ arrival }) => arrival === key).length, 1, 'each attempt is kept');
    assert.ok(rows.filter(({ outcome }) => outcome === 'pending').length <= 10);
  }

  /** Only steps that may be uploaded later have a time of their own, and not before it may be; every other is when it was received. */
  requireTime(row: Awaited<ReturnType<Run['rows']>>[number]): void {
    if (row.declared === 1) return;
    if (row.claimed === 0) return assert.equal(row.at, row.receivedAt, 'nobody claims another time');
    assert.ok(this.journey.offline.includes(row.step as string), 'it is offline');
    assert.ok(row.at >= row.receivedAt - 7 * day && row.at <= row.receivedAt + allowance);
  }
}

test('P14: whatever checkpoints and operators say, no history exists that the journey does not allow', async (context) => {
  const shipping = await openShipping(context, []);
  const property = fc.asyncProperty(
    drawnJourney,
    fc.array(act, { minLength: 12, maxLength: 30 }),
    async (drawn, acts) => {
      const run = new Run(shipping, drawn);
      await run.begin();
      for (const one of acts) {
        await run.act(one);
        await run.accept();
      }
    },
  );
  await fc.assert(property, { numRuns: 25, endOnFailure: false });
});
