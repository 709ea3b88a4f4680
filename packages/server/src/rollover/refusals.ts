import { endedToldMs, issuersToldMax, PortcullisError, type RolloverStep, type Those } from '@portcullis/contract';
import type { FleetIssuer } from '../issuance/issuance.ts';
import type { By } from '../journal/journal.ts';
import { type FleetNow, isAbove, isProcess, withBelow } from './counts.ts';

type Asked = Pick<RolloverStep, 'force' | 'without'>;

const wordsMax = 5;
const status = '"portcullis rollover status" names them';
const comeBack = 'each comes back by its next renewal or by "join --replace", or is revoked';

/**
 * Whoever is named in `without` is given up, of whatever kind, and with `force` all others that are no gate or desk: who gives up sleepers cuts off none of
 * these unawares.
 * @throws {PortcullisError} `rollover_loses`, which names them
 */
export function requireNobody({ count, named }: Those, { force, without = [] }: Asked, why: string): void {
  const left = named.filter(({ subject, kind }) => !without.includes(subject) && (!force || isProcess(kind)));
  const leftCount = force ? left.length : count - named.length + left.length;
  if (leftCount === 0) return;
  const some = left.slice(0, wordsMax).map(({ subject }) => subject);
  const more = leftCount > some.length ? ` and ${leftCount - some.length} more` : '';
  const kept = 'a gate or a desk is given up by --without NAME alone';
  const next = force ? `${kept}; ${comeBack}` : `${status}, --force goes on without them; ${kept}`;
  throw new PortcullisError('rollover_loses', `${leftCount} ${why}: ${some.join(', ')}${more}; ${next}`);
}

/**
 * A desk is told of each in one line, also for a while after its end.
 * @throws {PortcullisError} `precondition_failed`
 */
export function requireRoom(issuers: readonly Pick<FleetIssuer, 'notAfter'>[], coming: number, now: number): void {
  const told = issuers.filter(({ notAfter }) => now - endedToldMs <= notAfter);
  if (told.length + coming <= issuersToldMax) return;
  const words = `a fleet has at most ${issuersToldMax} roots and issuers that have not ended, and this one has ${told.length}`;
  throw new PortcullisError('precondition_failed', `${words}; with more certificates each there are fewer of them`);
}

/**
 * Nobody shuts the door behind which they stand: after it the authority lets in who is below the new root alone.
 * @throws {PortcullisError} `rollover_loses`
 */
export async function requireStays(
  { store, issuance, system }: FleetNow,
  { actor: subject }: By,
  leaves: readonly FleetIssuer[],
): Promise<void> {
  const losing = withBelow(leaves, issuance.issuers());
  if (await isAbove(store, losing, { subject, now: system.now() })) return;
  const words = `"${subject}" would be lost itself, whose certificate is of what would go; "portcullis operator renew" comes first`;
  throw new PortcullisError('rollover_loses', words);
}
