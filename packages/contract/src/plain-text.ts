/** What moves a cursor, changes a colour, hides, or turns the direction of what follows; and halves of characters. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const unseenInLines = /[\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?!\n)\p{Cc}/gu;

const escaped = (character: string) => `\\u{${character.codePointAt(0)?.toString(16)}}`;

/** Text from outside as it may be shown on a terminal, on one line: what can not be seen is written out. */
export function plain(text: string): string {
  return text.replace(unseen, escaped);
}

/** The same, where the line breaks are our own. */
export function plainLines(text: string): string {
  return text.replace(unseenInLines, escaped);
}

/** JSON that means the same and holds nothing unseen, for programs and terminals alike. */
export function plainJson(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').replace(unseen, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
