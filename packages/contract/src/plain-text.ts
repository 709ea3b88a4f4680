/** What moves a cursor, changes a colour, hides, or turns the direction of what follows; and halves of characters. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const unseenInLines = /[\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?!\n)\p{Cc}/gu;

/** Most texts; and classes of characters take long to be compiled. */
const usual = /^[\x20-\x7e\n]*$/;

const escaped = (character: string) => `\\u{${character.codePointAt(0)?.toString(16)}}`;

/** Text from outside as it may be shown on a terminal, on one line: what can not be seen is written out. */
export function plain(text: string): string {
  return usual.test(text) && !text.includes('\n') ? text : text.replace(unseen, escaped);
}

/** The same, where the line breaks are our own. */
export function plainLines(text: string): string {
  return usual.test(text) ? text : text.replace(unseenInLines, escaped);
}

/** JSON that means the same and holds nothing unseen, for programs and terminals alike. */
export function plainJson(value: unknown): string {
  return plainJsonText(JSON.stringify(value) ?? 'null');
}

/** The same of JSON that is there as text, without white space between its tokens. */
export function plainJsonText(text: string): string {
  if (usual.test(text)) return text;
  return text.replace(unseen, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
