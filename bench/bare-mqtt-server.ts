/** The peer of the gate over MQTT: bare `node:tls` with mTLS and mqtt-packet, the same sink, and no judgement. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { generate, type Packet, parser } from 'mqtt-packet';
import { commit, parse } from './bare-commits.ts';

const [pem = '', key = '', certificate = ''] = process.argv.slice(2);
const version = { protocolVersion: 5 };

const server = createServer(
  {
    key: readFileSync(key),
    cert: readFileSync(certificate),
    ca: readFileSync(join(pem, 'trust.pem')),
    requestCert: true,
    minVersion: 'TLSv1.3',
    noDelay: true,
  },
  (socket) => {
    const say = (packet: Packet) => socket.write(generate(packet, version));
    const reading = parser(version);
    reading.on('packet', (packet) => {
      if (packet.cmd === 'connect') say({ cmd: 'connack', reasonCode: 0, sessionPresent: false });
      if (packet.cmd !== 'publish') return;
      const { messageId = 0 } = packet;
      commit(parse(packet.payload.toString()), () => say({ cmd: 'puback', messageId, reasonCode: 0 }));
    });
    socket.on('data', (piece) => reading.parse(piece));
    socket.on('error', () => socket.destroy());
  },
);
server.listen(0, '127.0.0.1', () => process.send?.(server.address()));
process.on('disconnect', () => process.exit());
