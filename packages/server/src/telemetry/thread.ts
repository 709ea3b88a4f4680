import { Worker } from 'node:worker_threads';

/** The extension is that of the file that asks: TypeScript in a clone, JavaScript in a published package. */
const extensionOf = (file: string) => file.slice(file.lastIndexOf('.'));

/** A thread that runs the file of this name beside the one that asks (`import.meta.url`), with what its own imports need in a clone. */
export function startThread(beside: string, name: string, workerData: object): Worker {
  const extension = extensionOf(beside);
  const given = process.execArgv.filter((word) => word.startsWith('--conditions='));
  const execArgv = extension === '.ts' && given.length === 0 ? ['--conditions=portcullis-source'] : given;
  return new Worker(new URL(`./${name}${extension}`, beside), { workerData, execArgv });
}

/** Others get a turn of the event loop first. */
export const aTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
