import { PortcullisError, readExactJson } from '@portcullis/contract';

/** A schema may nest deeper than a reading: each level of it takes two of JSON. */
const depthMax = 256;

/**
 * What a file holds: names once, whole characters, numbers that a double holds. `secret`: no value is quoted.
 * @throws {PortcullisError} `config_invalid`, its message to be put behind the file's name
 */
export function parseJson(text: string, secret = false): unknown {
  const read = readExactJson(text, depthMax);
  if (!('refused' in read)) return read.value;
  const { refused, why } = read;
  const words =
    secret && why === 'syntax' ? 'the line is not JSON' : secret && why === 'number' ? numberWords : refused;
  throw new PortcullisError('config_invalid', words);
}

const numberWords = 'a number in it is more exact than a number can be; write it as a string';
