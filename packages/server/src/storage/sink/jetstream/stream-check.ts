import type { StreamInfo } from '@nats-io/jetstream';
import { counted, PortcullisError } from '@portcullis/contract';
import type { Link } from './link.ts';

/** A repeat that comes later than this may be stored twice. */
const duplicateWindowMs = 3_600_000;
/** A reading with what a gate says of it. */
const messageBytesMin = 262_144;
const nanosecondsPerMs = 1_000_000;
const subjects = ['readings.>', 'settled.>'];

/**
 * The stream is an operator's: what would lose or double readings there is refused before the first one comes.
 * @throws {PortcullisError} `store_unavailable`, `config_invalid`
 */
export async function requireStream(link: Link): Promise<void> {
  const { config } = await link.info();
  const wrong = faultsOf(config, link.largestMessage);
  if (wrong.length > 0)
    throw new PortcullisError(
      'config_invalid',
      `${link.words} has ${counted(wrong.length, 'fault')}: ${wrong.join('; ')}`,
    );
}

function faultsOf(config: StreamInfo['config'], largestMessage: number): string[] {
  const missing = subjects.filter((subject) => !config.subjects?.includes(subject));
  const windowMs = config.duplicate_window / nanosecondsPerMs;
  const bytes = config.max_msg_size > 0 ? Math.min(config.max_msg_size, largestMessage) : largestMessage;
  const rows: [boolean, string][] = [
    [missing.length > 0, `it does not take ${missing.join(' and ')}`],
    [config.storage !== 'file', `its storage is "${config.storage}"; it must be "file"`],
    [config.retention !== 'limits', `its retention is "${config.retention}"; it must be "limits"`],
    [
      config.discard !== 'new',
      `its discard is "${config.discard}"; it must be "new", or what is full loses its oldest`,
    ],
    [
      windowMs < duplicateWindowMs,
      `its duplicate_window is ${windowMs / 1_000} s; it must be ${duplicateWindowMs / 1_000} s or more`,
    ],
    [bytes < messageBytesMin, `its messages may have ${bytes} bytes; it must be ${messageBytesMin} or more`],
    [config.max_msgs_per_subject > 0, 'it has max_msgs_per_subject; it must have none'],
    [config.deny_delete, 'it has deny_delete; a request that is refused in its midst could not be taken back'],
    [config.no_ack === true, 'it has no_ack'],
    [config.sealed === true, 'it is sealed'],
  ];
  return rows.flatMap(([isWrong, why]) => (isWrong ? [why] : []));
}
