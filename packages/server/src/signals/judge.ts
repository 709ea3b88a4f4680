import { PortcullisError, reasonTextLengthMax, SubjectId } from '@portcullis/contract';
import { compileCondition, compileMapping, type Mapping } from '../expressions/expressions.ts';
import type { Reaction, Reactions, ReactionsBySource } from './promises.ts';

/** What expressions see of an alert. */
export interface AlertFacts {
  key: string;
  status: string;
  startsAt?: string;
  endsAt?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  event?: Record<string, unknown>;
}

export interface Match {
  /** Which reaction of the source. */
  reaction: number;
  subject: string;
  reason: string;
}

/** `refused`: why nothing follows, though something might have been meant to. */
export type Judged = { matches: Match[] } | { refused: string };

export type Judge = (alert: AlertFacts) => Judged;

/** So much of one alert is looked at. */
export const alertBytesMax = 65_536;

/** @throws {PortcullisError} `config_invalid`: which expression, and what is wrong with it */
export function compileSignals(signals: ReactionsBySource): Map<string, Judge> {
  return new Map(Object.entries(signals).map(([name, source]) => [name, compileSource(name, source)]));
}

interface Compiled {
  on: Mapping<boolean>;
  subject: Mapping<string>;
  reason: Mapping<string> | undefined;
}

function compileSource(name: string, source: Reactions): Judge {
  const reactions = source.reactions.map((reaction, index) => compileReaction(`${name}.reactions.${index}`, reaction));
  const maySubject = subjectsOf(source);
  return (alert) => {
    const matches: Match[] = [];
    for (const [reaction, { on, subject, reason }] of reactions.entries()) {
      const applies = on.of(alert);
      if ('failed' in applies) return failed('on', reaction, applies.failed);
      if (!applies.value) continue;
      const found = subject.of(alert);
      if ('failed' in found) return failed('subject', reaction, found.failed);
      if (!SubjectId.safeParse(found.value).success) {
        return { refused: `"${found.value.slice(0, 64)}" is no id of a subject (reaction ${reaction})` };
      }
      if (!maySubject(found.value))
        return { refused: `it may not hold "${found.value}": "may.subjects" does not name it` };
      const said = reason ? reason.of(alert) : { value: `alert ${alert.labels.alertname ?? alert.key} of ${name}` };
      if ('failed' in said) return failed('reason', reaction, said.failed);
      matches.push({ reaction, subject: found.value, reason: said.value.slice(0, reasonTextLengthMax).toWellFormed() });
    }
    return { matches };
  };
}

const failed = (key: string, reaction: number, why: string): Judged => ({
  refused: `"${key}" of reaction ${reaction} can not be evaluated: ${why}`,
});

function compileReaction(path: string, { on, subject, reason, proof }: Reaction): Compiled {
  const compiled = <Result>(key: string, compile: () => Result) => {
    try {
      return compile();
    } catch (cause) {
      throw new PortcullisError('config_invalid', `fleet.yaml: signals.${path}.${key}: ${(cause as Error).message}`, {
        cause,
      });
    }
  };
  if (proof) compiled('proof.inside', () => compileCondition(proof.inside));
  return {
    on: compiled('on', () => compileMapping(on, 'bool')),
    subject: compiled('subject', () => compileMapping(subject, 'string')),
    reason: reason === undefined ? undefined : compiled('reason', () => compileMapping(reason, 'string')),
  };
}

function subjectsOf({ may: { subjects } }: Reactions): (subject: string) => boolean {
  if (!subjects) return () => true;
  const exact = new Set(subjects.filter((one) => !one.endsWith('*')));
  const beginnings = subjects.filter((one) => one.endsWith('*')).map((one) => one.slice(0, -1));
  return (subject) => exact.has(subject) || beginnings.some((beginning) => subject.startsWith(beginning));
}

/** @throws nothing: what is too large is refused */
export function judgeOne(judge: Judge, alert: AlertFacts): Judged {
  const bytes = Buffer.byteLength(JSON.stringify(alert));
  if (bytes > alertBytesMax) return { refused: `the alert has ${bytes} bytes; at most ${alertBytesMax} are looked at` };
  return judge(alert);
}
