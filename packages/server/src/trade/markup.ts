import { plain } from '@portcullis/contract';

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A text from outside within a picture: on one line, at most so long, with nothing that is markup or turns what follows. */
export function written(text: string, lengthMax = 48): string {
  const short = [...text].length > lengthMax ? `${[...text].slice(0, lengthMax - 1).join('')}…` : text;
  return plain(short).replace(/[&<>"']/g, (one) => entities[one] as string);
}
