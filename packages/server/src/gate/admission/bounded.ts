/** Of what a refusal tells: characters of JSON. */
export const toldMax = 256;

/** A value as it may be kept and told: a device chose it, and it may be as long as a reading. */
export function bounded(value: unknown): unknown {
  const json = JSON.stringify(value) ?? 'null';
  return json.length <= toldMax ? value : shortened(typeof value === 'string' ? value : json);
}

function shortened(text: string): string {
  let end = toldMax;
  for (;;) {
    // Half a surrogate pair at the cut is no text.
    const cut = `${text.slice(0, end).toWellFormed()}…`;
    const excess = JSON.stringify(cut).length - toldMax;
    if (excess <= 0) return cut;
    // A character comes to six at most: `\u0000`.
    end -= Math.ceil(excess / 6);
  }
}
