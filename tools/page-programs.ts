/** The block of a page that begins with a comment of this name. @throws {Error} the page has none */
export function programOf(page: string, name: string): string {
  const [, text] = new RegExp(`\`\`\`\\w+\\n((?:#|//) ${name}[\\s\\S]*?)\`\`\``).exec(page) ?? [];
  if (text === undefined) throw new Error(`the page has no program ${name}`);
  return text;
}
