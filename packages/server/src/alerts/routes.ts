import type { AlertKind } from '@portcullis/contract';

export interface AlertRoute {
  kinds?: readonly AlertKind[] | undefined;
  /** `*` stands for anything. */
  subjects?: readonly string[] | undefined;
  to: readonly string[];
}

/** Who is told of an alert: all that a route which fits names; without routes all there are. */
export function targetsOf(
  alert: { kind: string; subject: string | null; key: string },
  targets: readonly string[],
  routes: readonly AlertRoute[] | undefined,
): string[] {
  const fitting = routes?.filter((route) => fits(route, alert)).flatMap(({ to }) => to);
  const told = new Set(fitting ?? targets);
  // Who can not be told is not told of that.
  if (alert.kind === 'outbox_dead') told.delete(alert.key);
  return targets.filter((target) => told.has(target));
}

function fits({ kinds, subjects }: AlertRoute, { kind, subject }: { kind: string; subject: string | null }): boolean {
  if (kinds !== undefined && !kinds.some((one) => one === kind)) return false;
  return subjects === undefined || (subject !== null && subjects.some((pattern) => matches(pattern, subject)));
}

/** In time that is linear in both: the parts between the stars, each where it comes first. */
function matches(pattern: string, subject: string): boolean {
  const [first = '', ...others] = pattern.split('*');
  const last = others.pop();
  if (last === undefined) return subject === pattern;
  if (!subject.startsWith(first)) return false;
  let reached = first.length;
  for (const part of others) {
    const at = subject.indexOf(part, reached);
    if (at < 0) return false;
    reached = at + part.length;
  }
  return subject.length - last.length >= reached && subject.endsWith(last);
}
