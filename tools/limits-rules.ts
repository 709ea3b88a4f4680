import { type Limit, limit } from './limit.ts';

export const ruleLimits: Limit[] = [
  limit(
    'edges that are kept of one sender under one rule',
    'server/src/rules/take.ts#edgesMax',
    '',
    'the oldest go, and what was before is a gap',
  ),
  limit('how long an edge is kept', 'server/src/rules/prune.ts#keptMs', 'days', 'what was found of it stays'),
  limit(
    'excursions and gaps of one subject under one rule that are told',
    'server/src/rules/judging.ts#foundMax',
    '',
    'the newest are; breaches all stay',
  ),
  limit('rules of a fleet', 'server/src/config/rule-files.ts#filesMax', '', 'none of them is taken'),
];
