/** A client process of a bench: mTLS connections that publish readings with QoS 1 and count what is acknowledged. Run by `fork`. */
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import { generate, type Packet, parser } from 'mqtt-packet';
import type { Done, Job } from './load.ts';

const version = { protocolVersion: 5 };

function run(job: Job): Promise<Done> {
  const file = (name: string) => readFileSync(`${job.pem}/${name}`);
  const identity = { key: file('key.pem'), cert: file('cert.pem'), ca: file('root.pem') };
  const done: Done = { requests: 0, failures: 0, milliseconds: 0 };
  const started = performance.now();
  const over = () => performance.now() - started >= job.milliseconds;
  let [number, clients] = [0, 0];

  function client(finished: () => void): void {
    const socket: TLSSocket = connect({ host: 'localhost', port: job.port, ...identity, minVersion: 'TLSv1.3' });
    const say = (packet: Packet) => socket.write(generate(packet, version));
    const clientId = `${job.prefix}-${clients++}`;
    const publish = () => {
      const payload = `{"_id":"${job.prefix}-${number++}","temperature":21.5,"humidity":40}`;
      say({ cmd: 'publish', topic: job.path, payload, qos: 1, messageId: 1, dup: false, retain: false });
    };
    socket.on('secureConnect', () =>
      say({ cmd: 'connect', protocolId: 'MQTT', ...version, clientId, clean: true, keepalive: 60 } as Packet),
    );
    const reading = parser(version);
    reading.on('packet', (packet) => {
      if (packet.cmd === 'connack' && packet.reasonCode === 0) return publish();
      if (packet.cmd === 'puback' && (packet.reasonCode ?? 0) <= 0x10) done.requests++;
      else done.failures++;
      if (over() || job.fresh) socket.destroy();
      else publish();
    });
    socket.on('data', (piece) => reading.parse(piece));
    socket.on('error', () => {
      done.failures++;
    });
    socket.on('close', () => (over() ? finished() : client(finished)));
  }

  return new Promise((resolve) => {
    let open = job.connections;
    const finished = () => {
      if (--open === 0) resolve({ ...done, milliseconds: performance.now() - started });
    };
    for (let index = 0; index < job.connections; index++) client(finished);
  });
}

process.on('message', (job: Job) => {
  void run(job).then((done) => process.send?.(done));
});
