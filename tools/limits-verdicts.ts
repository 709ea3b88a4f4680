import { type Limit, limit } from './limit.ts';

/** Of what a gate tells and keeps of its decisions. */
export const verdictLimits: Limit[] = [
  limit('refusals that a gate keeps', 'server/src/storage/sink/sink-database.ts#refusalsMax', '', 'the oldest go'),
  limit(
    'different refusals within a second that a gate tells apart',
    'server/src/gate/recording/verdicts.ts#refusalsMax',
    '',
    'the rest is one line by reason',
  ),
  limit(
    'different refusals of one certificate within a second',
    'server/src/gate/recording/verdicts.ts#ofOneMax',
    '',
    'the rest is one line by reason',
  ),
  limit(
    'different admissions within a second that those who watch are told',
    'server/src/gate/recording/verdicts.ts#admissionsMax',
    '',
    'the rest is one line',
  ),
  limit(
    'lines of refusals that wait for a disk that stands still',
    'server/src/gate/recording/kept-refusals.ts#waitingMax',
    '',
    'the rest is counted alone',
  ),
  limit(
    'operators that watch one gate',
    'server/src/gate/recording/verdicts.ts#watchersMax',
    '',
    '503 `watchers_full`',
  ),
  limit(
    'what one who watches has not read',
    'server/src/gate/listeners/http/watched-lines.ts#unreadBytesMax',
    'bytes',
    'lines are dropped; how many is told',
  ),
];
