/** What a request is aimed at: its path with every plain letter as itself, and its query. */
export interface Target {
  path: string;
  query: string | undefined;
}

/** RFC 9112 §3.2.2: a server takes the absolute form too, and it names this server. */
const absolute = /^https:\/\/[^/?#]*(?=[/?]|$)/i;
const escaped = /%([0-9a-f]{2})/gi;
const plain = /^[A-Za-z0-9._~-]$/;

/** Undefined: a form that this server has no use for (`*`, a proxy's host and port). */
export function targetOf(url: string): Target | undefined {
  const named = url.startsWith('/') ? url : absolute.exec(url) && url.replace(absolute, '');
  if (named === null) return undefined;
  const rooted = named.startsWith('/') ? named : `/${named}`;
  const at = rooted.indexOf('?');
  const path = at === -1 ? rooted : rooted.slice(0, at);
  return { path: path.includes('%') ? unescaped(path) : path, query: at === -1 ? undefined : rooted.slice(at + 1) };
}

/** RFC 3986 §6.2.2.2: an unreserved letter means the same however it is written. */
function unescaped(path: string): string {
  return path.replace(escaped, (written, code: string) => {
    const letter = String.fromCharCode(Number.parseInt(code, 16));
    return plain.test(letter) ? letter : written;
  });
}
