import { readFileSync } from 'node:fs';
import { PortcullisError, SubjectId, subjectsPerChangeMax } from '@portcullis/contract';

const standardInput = '-';
const namedMax = 3;

/**
 * Subjects as commands take them: ids, `@FILE` or `-` (standard input) with an id a line; empty lines and lines that begin with
 * "#" are passed over. @throws {PortcullisError} `usage`
 */
export async function subjectsOf(words: readonly string[]): Promise<SubjectId[]> {
  const subjects = [...new Set(words.flatMap((word) => idsIn(word)))];
  if (subjects.length === 0) throw new PortcullisError('usage', `${words.join(' ')} names no subject`);
  if (subjects.length <= subjectsPerChangeMax) return subjects;
  throw new PortcullisError(
    'usage',
    `${subjects.length} subjects are too many for one change; at most ${subjectsPerChangeMax} are allowed`,
  );
}

function idsIn(word: string): SubjectId[] {
  if (word !== standardInput && !word.startsWith('@')) return [idOf(word, '')];
  const lines = textOf(word).split('\n');
  return lines.flatMap((line, index) => {
    const id = line.trim();
    return id === '' || id.startsWith('#') ? [] : [idOf(id, `line ${index + 1} of ${word}: `)];
  });
}

function textOf(word: string): string {
  try {
    return readFileSync(word === standardInput ? 0 : word.slice(1), 'utf8');
  } catch (cause) {
    throw new PortcullisError('usage', `couldn't read "${word}": ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
}

function idOf(text: string, where: string): SubjectId {
  const parsed = SubjectId.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new PortcullisError('usage', `${where}"${text}" ${parsed.error.issues[0]?.message}`);
}

/** For people: the first few, and how many more. */
export function namesOf(subjects: readonly string[]): string {
  if (subjects.length <= namedMax) return subjects.join(', ');
  return `${subjects.slice(0, namedMax).join(', ')} and ${subjects.length - namedMax} more`;
}
