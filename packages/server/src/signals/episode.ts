/** What is told of one alert. Times are nanoseconds since 1970; a format may not have them. */
export interface Told {
  status: 'firing' | 'resolved';
  startsAt: bigint | null;
  endsAt: bigint | null;
}

/**
 * How one alert of one source stands: a state, not a list of events, since what is told comes late, twice, and in another order
 * (Alertmanager's retries, and the second one of a pair).
 */
export interface Episode {
  /** `claimed_resolved`: somebody said that it is over, which lifts nothing by itself. */
  state: 'firing' | 'claimed_resolved';
  /** Since when it is in this state, by the authority's clock. */
  since: number;
  /** The newest start that was told. */
  startsAt: bigint | null;
  /** The end that was claimed last. */
  endsAt: bigint | null;
  /** The newest end that was claimed, and was followed by a firing. */
  refuted: bigint | null;
  /** The claim says no more than one that was refuted: it may be that one, told again. */
  doubtful: boolean;
}

/** `fired`: it fires anew. `claimed`: it is said to be over. `repeated`: nothing that was not known. */
export interface Step {
  after: Episode;
  is: 'fired' | 'claimed' | 'repeated';
}

/** Of an alert that was never heard of, an end is nothing. */
export function stepOf(before: Episode | undefined, told: Told, at: number): Step | undefined {
  if (told.status === 'firing') return fired(before, told, at);
  return before && claimed(before, told, at);
}

function fired(before: Episode | undefined, { startsAt }: Told, at: number): Step {
  if (!before) return { is: 'fired', after: { ...never, state: 'firing', since: at, startsAt } };
  const newest = later(before.startsAt, startsAt);
  if (before.state === 'firing') {
    // An older start is an older message; the same one is the sender's repeat.
    if (newest === before.startsAt) return { is: 'repeated', after: before };
    return { is: 'fired', after: { ...before, since: at, startsAt: newest } };
  }
  const refuted = later(before.refuted, before.endsAt ?? 0n);
  return {
    is: 'fired',
    after: { state: 'firing', since: at, startsAt: newest, endsAt: null, refuted, doubtful: false },
  };
}

function claimed(before: Episode, { startsAt, endsAt }: Told, at: number): Step {
  if (isOfAnOlderOne(before, startsAt, endsAt)) return { is: 'repeated', after: before };
  const doubtful = before.refuted !== null && (endsAt === null || endsAt <= before.refuted);
  // A claim that is beyond doubt takes the place of one that is not; else the first one counts.
  if (before.state === 'claimed_resolved' && (doubtful || !before.doubtful)) return { is: 'repeated', after: before };
  return { is: 'claimed', after: { ...before, state: 'claimed_resolved', since: at, endsAt, doubtful } };
}

/** It began before, and was over when the one that fires began. */
function isOfAnOlderOne(before: Episode, startsAt: bigint | null, endsAt: bigint | null): boolean {
  if (before.startsAt === null || startsAt === null || endsAt === null) return false;
  return startsAt < before.startsAt && endsAt <= before.startsAt;
}

const never = { endsAt: null, refuted: null, doubtful: false };

function later(one: bigint | null, other: bigint | null): bigint | null {
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
}
