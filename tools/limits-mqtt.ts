import { type Limit, limit } from './limit.ts';

export const mqttLimits: Limit[] = [
  limit('a CONNECT', 'server/src/gate/listeners/mqtt/wire-check.ts#connectBytesMax', 'bytes', 'closed'),
  limit(
    'messages of one connection under way',
    'server/src/gate/listeners/mqtt/welcome.ts#receiveMaximum',
    '',
    'the rest waits in the network',
  ),
  limit('topic filters of one SUBSCRIBE', 'server/src/gate/listeners/mqtt/wire-check.ts#filtersMax', '', '0x97'),
  limit('properties of one packet', 'server/src/gate/listeners/mqtt/walk.ts#propertiesMax', '', '0x81'),
  limit(
    'answers and notices that a client has not taken',
    'server/src/gate/listeners/mqtt/transport.ts#unreadBytesMax',
    'bytes',
    'closed',
  ),
  limit(
    'refused readings of one device that a gate keeps',
    'server/src/storage/sink/refused-readings.ts#ofOneMax',
    '',
    'its oldest go',
  ),
  limit('their bytes', 'server/src/storage/sink/refused-readings.ts#ofOneBytesMax', 'bytes', 'its oldest go'),
  limit(
    'refused readings that a gate keeps',
    'server/src/storage/sink/refused-readings.ts#ofAllMax',
    '',
    'the oldest go',
  ),
  limit('their bytes', 'server/src/storage/sink/refused-readings.ts#ofAllBytesMax', 'bytes', 'the oldest go'),
];
