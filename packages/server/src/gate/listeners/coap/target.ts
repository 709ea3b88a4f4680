import { firstValueOf, type Message, optionNumbers, valuesOf } from '../../../oscore/oscore.ts';
import { codes } from './codes.ts';
import { badOption, furtherOptions, uintIn } from './options.ts';

/** Where a request goes, and what it brings; or the code that it is refused with, whoever sends it. */
export type Target = { stream: string; contentFormat: number | undefined } | { refused: number };

/** Whether or not it is the name of a stream is for the policy to say: this is how much of it is told on. */
const nameBytesMax = 63;
const known = [optionNumbers.uriHost, optionNumbers.uriPort, optionNumbers.uriPath, furtherOptions.accept];

/** `POST /s/{stream}`, as it was protected. An answer has no content that could be accepted or not, and its content can not come in blocks. */
export function targetOf({ code, options }: Message): Target {
  if (badOption(options, known, [optionNumbers.uriPath])) return { refused: codes.badOption };
  const path = valuesOf(options, optionNumbers.uriPath);
  const [first, name] = path;
  if (path.length !== 2 || first?.toString('latin1') !== 's' || !name?.length) return { refused: codes.notFound };
  if (code !== codes.post) return { refused: codes.methodNotAllowed };
  const contentFormat = uintIn(options, optionNumbers.contentFormat);
  if (contentFormat === undefined && firstValueOf(options, optionNumbers.contentFormat)) {
    return { refused: codes.unsupportedContentFormat };
  }
  return { stream: name.toString('utf8').slice(0, nameBytesMax + 1), contentFormat };
}
