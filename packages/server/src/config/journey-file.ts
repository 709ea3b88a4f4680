import {
  AttributeName,
  type AttributeType,
  AttributeValue,
  type Journey,
  JourneyName,
  journeyStepsMax,
  StepName,
} from '@portcullis/contract';
import { z } from 'zod';
import { Duration } from './duration.ts';

/** Types of the attributes that `fleet.yaml` declares; undefined: there is no such file to look at. */
export type Declared = Record<string, AttributeType | undefined> | undefined;

const conditions = z.record(AttributeName, AttributeValue);

const Step = z.strictObject({
  /** The step's name: no other step of the journey has it. */
  name: StepName,
  /** What the attributes of a checkpoint must be that may record it. */
  by: conditions,
  /** What attributes of the shipment must be, at the time of the arrival and now. */
  require: conditions.default({}),
  /** How long after the step before it, or after the shipment was made, it is late: an alert, no refusal. */
  within: Duration.optional(),
  /** The last step: with it the shipment is delivered. */
  final: z.boolean().default(false),
});

const Detour = z.strictObject({
  /** The step that the shipment is at. */
  from: StepName,
  /** The earlier step that it may go back to. */
  back: StepName,
});

/** `journeys/NAME.yaml`: an ordered list of steps, and who may record each. */
export const JourneyFile = z.strictObject({
  /** The journey's name. */
  journey: JourneyName,
  /** In the order in which a shipment takes them; the last one is final. */
  steps: z.array(Step).min(1).max(journeyStepsMax),
  /** Returns that are allowed. */
  detours: z.array(Detour).max(journeyStepsMax).default([]),
  /** Steps whose checkpoints may upload an arrival later than it was. */
  offline: z.array(StepName).max(journeyStepsMax).default([]),
  /** How much later, and how long an arrival waits for those that are missing before it. */
  offlineMax: Duration.prefault('7d'),
});
type Written = z.infer<typeof JourneyFile>;

/** The schema of a file whose conditions are on attributes that the fleet declares. */
export const journeyFile = (declared: Declared) =>
  JourneyFile.superRefine((written, context) => {
    for (const { path, why } of faultsOf(written, declared)) context.addIssue({ code: 'custom', path, message: why });
  });

/** As it is stored and judged by. */
export function journeyOf({ journey, steps, detours, offline, offlineMax }: Written): Journey {
  return {
    journey,
    steps: steps.map(({ within, ...step }) => ({ ...step, ...(within !== undefined && { withinMs: within }) })),
    ...{ detours, offline, offlineMaxMs: offlineMax },
  };
}

interface Fault {
  path: (string | number)[];
  why: string;
}

function* faultsOf(written: Written, declared: Declared): Generator<Fault> {
  yield* faultsOfSteps(written);
  yield* faultsOfDetours(written);
  yield* faultsOfOffline(written);
  for (const [index, { by, require }] of written.steps.entries()) {
    for (const [part, values] of Object.entries({ by, require })) {
      yield* faultsOfConditions(['steps', index, part], values, declared);
    }
  }
}

function* faultsOfSteps({ steps }: Written): Generator<Fault> {
  const firstFinal = steps.findIndex(({ final }) => final);
  for (const [index, { name, by }] of steps.entries()) {
    const path = ['steps', index, 'name'];
    if (steps.findIndex((step) => step.name === name) < index) yield { path, why: `"${name}" is a step already` };
    if (firstFinal >= 0 && index > firstFinal) {
      yield { path, why: `"${name}" can not be reached: "${steps[firstFinal]?.name}" before it is final` };
    }
    if (Object.keys(by).length === 0) {
      yield { path: ['steps', index, 'by'], why: `anybody could record "${name}"; name at least one attribute` };
    }
  }
  const last = steps.length - 1;
  if (firstFinal < 0) {
    yield { path: ['steps', last, 'name'], why: `the last step, "${steps[last]?.name}", must say "final: true"` };
  }
}

function* faultsOfDetours({ steps, detours }: Written): Generator<Fault> {
  const placeOf = (name: string) => steps.findIndex((step) => step.name === name);
  for (const [index, { from, back }] of detours.entries()) {
    const path = (key: string) => ['detours', index, key];
    const [start, end] = [placeOf(from), placeOf(back)];
    if (start < 0) yield { path: path('from'), why: unknownStep(from, steps) };
    if (end < 0) yield { path: path('back'), why: unknownStep(back, steps) };
    if (start < 0 || end < 0) continue;
    if (end >= start) yield { path: path('back'), why: `"${back}" is not before "${from}"; a detour goes back` };
    if (steps[start]?.final) yield { path: path('from'), why: `"${from}" is final: nothing comes after it` };
    const same = detours.findIndex((one) => one.from === from && one.back === back);
    if (same < index) yield { path: path('from'), why: `the detour from "${from}" back to "${back}" is there already` };
  }
}

function* faultsOfOffline({ steps, offline }: Written): Generator<Fault> {
  for (const [index, name] of offline.entries()) {
    const path = ['offline', index];
    const step = steps.find((one) => one.name === name);
    if (!step) yield { path, why: unknownStep(name, steps) };
    if (step?.final) yield { path, why: `"${name}" is final, and a final step is never offline` };
    if (offline.indexOf(name) < index) yield { path, why: `"${name}" is there already` };
  }
}

const unknownStep = (name: string, steps: Written['steps']) =>
  `"${name}" is no step; there are [${steps.map((step) => step.name).join(', ')}]`;

/** What the journey itself writes of a shipment. */
const own: readonly string[] = ['journey', 'step', 'state'];

function* faultsOfConditions(
  path: (string | number)[],
  values: Record<string, AttributeValue>,
  declared: Declared,
): Generator<Fault> {
  for (const [name, value] of Object.entries(values)) {
    const at = [...path, name];
    if (path.at(-1) === 'require' && own.includes(name)) {
      yield { path: at, why: `"${name}" is what the journey itself says of a shipment` };
    }
    if (!declared) continue;
    if (!Object.hasOwn(declared, name)) {
      yield { path: at, why: `the attribute "${name}" is not declared; add it to "attributes" in fleet.yaml` };
    }
    const type = declared[name];
    if (type !== undefined && type !== typeof value) {
      yield { path: at, why: `the attribute "${name}" is a ${type} in fleet.yaml, and this is a ${typeof value}` };
    }
  }
}
