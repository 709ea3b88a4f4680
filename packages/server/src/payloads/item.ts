/** A number as its digits say it, in a form that JSON has. */
export class Numeral {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Members in their order. The names are text; those of a SenML record in CBOR are small integers too (RFC 8428 §6). */
export type Members = Map<string | number, Item>;
/** A value of JSON whose numbers are as they were written. */
export type Item = Numeral | string | boolean | null | Item[] | Members;

export function jsonOf(item: Item): string {
  if (item instanceof Numeral) return item.text;
  if (Array.isArray(item)) return `[${item.map(jsonOf).join(',')}]`;
  if (!(item instanceof Map)) return JSON.stringify(item);
  const members = [...item].map(([name, value]) => `${JSON.stringify(name)}:${jsonOf(value)}`);
  return `{${members.join(',')}}`;
}
