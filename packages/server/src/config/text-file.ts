import { closeSync } from 'node:fs';
import { resolve } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { openRegular, readRegular, textOf } from './regular-file.ts';

const bytesMax = 256 * 1024;

/**
 * What a file beside a configuration holds, without white space at its end. `secret`: nobody but its owner may read it.
 * @throws {PortcullisError} `config_invalid`
 */
export function readTextFile(file: string, secret: boolean): string {
  const { descriptor, readableByOthers } = openRegular(file, bytesMax);
  closeSync(descriptor);
  if (secret && readableByOthers) {
    throw new PortcullisError('config_invalid', `${file}: group or others may read it; its mode must be 600`);
  }
  const text = textOf(file, readRegular(file, bytesMax)).trimEnd();
  if (text === '') throw new PortcullisError('config_invalid', `${file}: it is empty`);
  return text;
}

/** The same of files that a configuration names: by their way from its directory. */
export function textsIn(directory: string): (file: string, secret: boolean) => string {
  return (file, secret) => readTextFile(resolve(directory, file), secret);
}
