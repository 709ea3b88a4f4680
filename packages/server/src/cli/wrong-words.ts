import { PortcullisError, plainJson } from '@portcullis/contract';

/** What a request was made of: where it went, and what it held. */
export interface Asked {
  path: string;
  body?: unknown;
}

/** Members of requests that are words or options of the command line under another name. */
const names: Record<string, string> = {
  set: 'attribute',
  unset: 'attribute',
  attributes: 'attribute',
  name: 'attribute',
};
const singular = (name: string) => name.replace(/s$/, '');

/**
 * A request that the server found malformed was made of what the user typed: he is told that word and what is allowed, and not where
 * it stood in a body that he never saw. Every other failure is given back as it is.
 */
export function inTypedWords(error: unknown, asked: Asked): unknown {
  if (!(error instanceof PortcullisError) || error.code !== 'request_malformed') return error;
  const [, part, where, message] = /^(body|params|querystring)\.?(\S+?)?: (.*)$/s.exec(error.message) ?? [];
  if (part === undefined || message === undefined) return new PortcullisError('usage', error.message, { cause: error });
  const [, unknown] = /^Unrecognized keys?: (.*)$/s.exec(message) ?? [];
  if (unknown !== undefined) {
    const words = `the server does not know ${unknown}; is it of an earlier version than this command?`;
    return new PortcullisError('usage', words, { cause: error });
  }
  const what = where === undefined ? 'what was said' : describe(part, where, asked);
  return new PortcullisError('usage', sentenceOf(what, message), { cause: error });
}

/** A word that is none of those that may stand there comes with its own sentence (`oneOf`). */
export function sentenceOf(what: string, message: string): string {
  const [, verb] = /^"(?:[^"\\]|\\.)*" (is unknown; .*)$/s.exec(message) ?? [];
  return verb === undefined ? `${what}: ${message.charAt(0).toLowerCase()}${message.slice(1)}` : `${what} ${verb}`;
}

function describe(part: string, where: string, asked: Asked): string {
  const steps = where.split('.');
  if (part === 'params') return `${names[where] ?? where} ${quoted(idIn(asked.path))}`;
  if (part === 'querystring') return `${names[where] ?? where} ${quoted(queryIn(asked.path, where))}`;
  const at = steps.findIndex((step) => step in names);
  // A name of an attribute may have dots in it.
  if (at >= 0 && steps.length > at + 1 && !/^\d+$/.test(steps[at + 1] as string))
    return `attribute ${quoted(steps.slice(at + 1).join('.'))}`;
  const last = steps.findLast((step) => !/^\d+$/.test(step)) ?? where;
  const name = /^\d+$/.test(steps.at(-1) as string) ? (names[last] ?? singular(last)) : last;
  return `${name} ${quoted(valueAt(asked.body, steps))}`;
}

const quoted = (value: unknown) => (value === undefined ? '' : plainJson(value)).trimEnd();

/** `/v1/subjects/ID/history`: the third step names what it is about. */
function idIn(path: string): string | undefined {
  const id = path.split('?')[0]?.split('/')[3];
  return id === undefined ? undefined : decodeURIComponent(id);
}

const queryIn = (path: string, name: string) => new URLSearchParams(path.split('?')[1]).get(name) ?? undefined;

function valueAt(body: unknown, steps: string[]): unknown {
  let value = body;
  for (const step of steps) value = (value as Record<string, unknown> | undefined)?.[step];
  return value;
}
