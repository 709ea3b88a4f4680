import type { Journey, JourneyStep } from '@portcullis/contract';

/** A step that was taken, and when. */
export interface Passed {
  step: string;
  at: number;
}

export const placeOf = ({ steps }: Journey, name: string) => steps.findIndex((step) => step.name === name);

export function stepOf(journey: Journey, name: string): JourneyStep | undefined {
  return journey.steps.find((step) => step.name === name);
}

export const isFinal = (journey: Journey, name: string | undefined) =>
  name !== undefined && stepOf(journey, name)?.final === true;

/** What may come after a step: the one that follows, then the returns that are allowed. */
export function nextAfter(journey: Journey, step: string | undefined): string[] {
  if (isFinal(journey, step)) return [];
  const following = journey.steps[step === undefined ? 0 : placeOf(journey, step) + 1];
  const back = journey.detours.filter(({ from }) => from === step).map((detour) => detour.back);
  return [...(following ? [following.name] : []), ...back];
}

/** The steps that are missing before this one, going forward; undefined: that way leads not there. */
export function missingBefore(journey: Journey, last: string | undefined, step: string): string[] | undefined {
  if (nextAfter(journey, last).includes(step)) return [];
  if (isFinal(journey, last)) return undefined;
  const from = last === undefined ? 0 : placeOf(journey, last) + 1;
  const to = placeOf(journey, step);
  return to < from ? undefined : journey.steps.slice(from, to).map(({ name }) => name);
}

/** Whether a shipment may have taken these steps, in this order. */
export function isAllowed(journey: Journey, steps: readonly string[]): boolean {
  return steps.every((step, index) => nextAfter(journey, steps[index - 1]).includes(step));
}

export type Course = 'created' | 'moving' | 'returned' | 'delivered';

/** Where a shipment stands that took these steps last. */
export function courseOf(journey: Journey, before: string | undefined, last: string | undefined): Course {
  if (last === undefined) return 'created';
  if (isFinal(journey, last)) return 'delivered';
  return before !== undefined && placeOf(journey, last) <= placeOf(journey, before) ? 'returned' : 'moving';
}
