/** The commands of `portcullis` inside of this process: the same words and the same answers, without a start-up for each. */
import { Writable } from 'node:stream';
import { Output } from '../packages/server/src/cli/output.ts';
import { makeProgram } from '../packages/server/src/cli/program.ts';

/** Runs one command that must succeed; resolves to what it printed. */
export async function within(...words: string[]): Promise<string> {
  const said = { out: '', side: '' };
  const into = (name: keyof typeof said) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        said[name] += chunk.toString();
        done();
      },
    });
  const output = new Output(into('out'), into('side'), { json: words.includes('--json') });
  const program = await makeProgram(output, words);
  await program.parseAsync(words, { from: 'user' });
  if (output.status === 0) return said.out.trim();
  throw new Error(`portcullis ${words[0]} ended with ${output.status}: ${said.side.trim()}`);
}
