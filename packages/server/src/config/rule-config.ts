import { AttributeName, AttributeValue, runPauseMsMax, StreamName } from '@portcullis/contract';
import { z } from 'zod';
import { Duration } from './duration.ts';

const expression = z.string().min(1).max(2_000);
/** Twice the pause that gates leave out of what they tell. */
const silentMsMin = 2 * runPauseMsMax;
const limitMsMax = 366 * 86_400_000;
const limit = Duration.refine((ms) => ms <= limitMsMax, 'must not be longer than 366d').optional();
const StepName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must match [a-z0-9][a-z0-9._-]{0,62}');
const values = z.record(AttributeName, AttributeValue).optional();

/** One file of `rules/` beside `fleet.yaml`: bounds of readings, and what happens to an attribute when they are left for too long. */
export const RuleFile = z.strictObject({
  /** Its name, which no other rule has. */
  rule: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must match [a-z0-9][a-z0-9._-]{0,62}'),
  /** The streams whose readings it looks at. */
  streams: z.array(StreamName).min(1).max(64),
  /** `attributes.NAME`: it is about the subject that this attribute of the sender names. Default: the sender itself. */
  about: z
    .string()
    .regex(/^attributes\.[a-zA-Z][a-zA-Z0-9_.-]{0,62}$/, 'must be attributes.NAME')
    .optional(),
  /** A CEL expression over `reading`, `subject` and `attributes`: true when a reading is out of bounds. */
  outside: expression,
  /** The same for a reading that is back within them. Default: not outside. */
  inside: expression.optional(),
  /** One excursion that lasts longer is a breach. */
  for: limit,
  /** All excursions of the journey that last longer together are a breach. */
  budget: limit,
  /** No reading for longer is silence. */
  silent: limit,
  during: z
    .strictObject({
      /** The step of the journey from which on it is in force. Default: always, and with `about` while a sender is bound. */
      from: StepName,
      /** The step of the journey that ends it. */
      until: StepName,
    })
    .optional(),
  on: z
    .strictObject({
      /** What attributes become at a breach. */
      breach: values,
      /** What they become at silence: what happened meanwhile is not known. */
      silence: values,
      /** What they are while all that is known is within the bounds. Default: what they were before. */
      well: values,
    })
    .prefault({}),
  /** Anybody may know what it makes of these attributes, from the next time on that it moves them. */
  public: z.boolean().default(false),
});
export type RuleFile = z.infer<typeof RuleFile>;

export interface Problem {
  path: (string | number)[];
  message: string;
}

const takenNames = new Map([
  ['status', 'is for operators and signals'],
  ...['journey', 'step', 'state'].map((name) => [name, 'is moved by journeys'] as const),
]);

/** Relations between the keys of one rule. */
export function problemsOfRule(rule: RuleFile): Problem[] {
  const problems: Problem[] = [];
  const say = (path: (string | number)[], message: string) => problems.push({ path, message });
  const { breach, silence, well } = rule.on;
  if (rule.for === undefined && rule.budget === undefined && rule.silent === undefined)
    say(['rule'], 'a rule needs "for", "budget" or "silent": without a limit nothing ever happens');
  if (breach && rule.for === undefined && rule.budget === undefined)
    say(['on', 'breach'], 'needs "for" or "budget": without them there is no breach');
  if (silence && rule.silent === undefined) say(['on', 'silence'], 'needs "silent": without it there is no silence');
  if (rule.budget !== undefined && !rule.about && !rule.during)
    say(['budget'], 'needs "about" or "during": a sender by itself has no journey to count over');
  if (rule.silent !== undefined && rule.silent < silentMsMin)
    say(
      ['silent'],
      'must be 2m or longer: gates tell when they last heard of a sender each few seconds, and pauses from a minute on',
    );
  const types = new Map<string, string>();
  for (const [moment, set] of Object.entries(rule.on)) {
    for (const [name, value] of Object.entries(set ?? {})) {
      const known = types.get(name) ?? typeof value;
      types.set(name, known);
      if (known !== typeof value) say(['on', moment, name], `must be a ${known}, as at the other moments`);
      const taken =
        takenNames.get(name) ?? (rule.about === `attributes.${name}` ? 'says whom the rule is about' : undefined);
      if (taken) say(['on', moment, name], `${taken}; give the rule an attribute of its own`);
    }
  }
  for (const name of Object.keys(well ?? {}))
    if (!Object.hasOwn(breach ?? {}, name) && !Object.hasOwn(silence ?? {}, name))
      say(['on', 'well', name], 'is moved neither at a breach nor at silence');
  return problems;
}
