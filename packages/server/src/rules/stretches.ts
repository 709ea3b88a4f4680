/** A time during which something was heard, with no pause in it that is too long. Milliseconds since 1970, both ends in it. */
export interface Stretch {
  from: number;
  to: number;
}

/** The parts of a time that no stretch covers, oldest first. A stretch that ends where the next begins covers both. */
export function uncovered(time: Stretch, stretches: readonly Stretch[]): Stretch[] {
  const found: Stretch[] = [];
  let from = time.from;
  for (const one of stretches.toSorted((a, b) => a.from - b.from)) {
    if (one.to < time.from || one.from > time.to) continue;
    if (one.from > from) found.push({ from, to: one.from });
    from = Math.max(from, one.to);
  }
  if (from < time.to) found.push({ from, to: time.to });
  return found;
}

/** Those that lie together, as one each. */
export function union(stretches: readonly Stretch[]): Stretch[] {
  const joined: Stretch[] = [];
  for (const { from, to } of stretches.toSorted((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else joined.push({ from, to });
  }
  return joined;
}
