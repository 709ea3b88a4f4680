/** JSON in which a member was named twice: only the last would count, and which one was meant is unknown. */
export class DoubledName extends Error {}

/** @throws {SyntaxError} @throws {DoubledName} */
export function parseJson(text: string): unknown {
  const parsed: unknown = JSON.parse(text);
  if (namesIn(text) !== namesUnder(parsed)) throw new DoubledName('a name stands twice in the same object');
  return parsed;
}

/** Of text that is JSON: outside of strings a colon follows each name and nothing else (RFC 8259 §4). */
function namesIn(text: string): number {
  let names = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') quoted = !quoted;
    else if (quoted && character === '\\') at++;
    else if (!quoted && character === ':') names++;
  }
  return names;
}

/** A list of what is still to be looked at: text may nest deeper than calls can. */
function namesUnder(parsed: unknown): number {
  let names = 0;
  const left = [parsed];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value !== 'object' || value === null) continue;
    const members = Object.values(value);
    if (!Array.isArray(value)) names += members.length;
    for (const member of members) left.push(member);
  }
  return names;
}
