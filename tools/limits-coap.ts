import { type Limit, limit } from './limit.ts';

const room = 'server/src/gate/listeners/coap';

export const coapLimits: Limit[] = [
  limit('a datagram', `${room}/endpoint.ts#datagramBytesMax`, 'bytes', '4.13, without protection'),
  limit('requests of one sensor under way', `${room}/key-context.ts#pendingMax`, '', 'as if they were lost'),
  limit(
    'requests whose numbers may come out of order',
    `${room}/key-context.ts#windowSize`,
    '',
    '4.01, without protection',
  ),
  limit('contexts being made at once', `${room}/openings.ts#underWayMax`, '', '5.03, without protection'),
];
