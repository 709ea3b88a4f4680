import { parseSubjectUri, type SubjectName } from '@portcullis/contract';

/**
 * The subjects that a certificate's alternative names speak of, out of Node's text of them. Node writes a value that holds a
 * comma or a quote as a JSON string (CVE-2021-44532), so that a name can not pretend to be two.
 */
export function subjectNamesIn(alternativeNames: string | undefined): SubjectName[] {
  const entries = (alternativeNames ?? '').matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/gy);
  const uris = [...entries].filter(([, type]) => type === 'URI').map(([, , value = '']) => unquoted(value));
  return uris.map(parseSubjectUri).filter((name) => name !== undefined);
}

function unquoted(value: string): string {
  return value.startsWith('"') ? (JSON.parse(value) as string) : value;
}
