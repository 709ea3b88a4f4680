import type { Ground } from './admission/admit.ts';
import type { ValidityClock } from './following/validity-clock.ts';
import type { Policy } from './policy/policy.ts';

/** What a gate decides from, by its clock and the policy that is in force at the moment. */
export function groundOf(
  parts: Pick<Ground, 'replica' | 'lease' | 'recording'>,
  clock: Pick<ValidityClock, 'validityTime' | 'presentTime'>,
  policy: () => Policy,
): Ground {
  return {
    ...parts,
    validityTime: () => clock.validityTime(),
    presentTime: () => clock.presentTime(),
    get policy() {
      return policy();
    },
  };
}
