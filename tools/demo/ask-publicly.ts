import { get } from 'node:https';

/** What a desk answers whoever asks, of whom it knows nothing. @throws {Error} where that is no answer */
export function askPublicly(url: string, ca: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    get(url, { ca, agent: false }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('end', () => {
        const body = Buffer.concat(pieces);
        if (answer.statusCode === 200) return resolve(body);
        reject(new Error(`${answer.statusCode} ${body.toString()}`));
      });
    }).on('error', reject);
  });
}
