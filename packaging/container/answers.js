// Whether a server of the fleet answers: node answers.js URL ROOT. Exit status 0 once a handshake ended that ROOT vouches for.
// Whether a process does its work, by its figures' address: node answers.js http://127.0.0.1:9464/readyz. Exit status 0 for 200.
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { connect } from 'node:tls';

const [url, root] = process.argv.slice(2);
const { hostname: host, port, protocol } = new URL(url);
const answerMs = 5_000;

function end(status, words) {
  if (words) process.stderr.write(`${url}: ${words}\n`);
  process.exit(status);
}

async function endByAnswer(answer) {
  let words = '';
  for await (const part of answer.setEncoding('utf8')) words += part;
  end(answer.statusCode === 200 ? 0 : 1, words.trim());
}

function ask() {
  return get(url, { agent: false }, (answer) => void endByAnswer(answer));
}

function shakeHands() {
  const socket = connect({ host, port: Number(port), servername: host, ca: readFileSync(root), minVersion: 'TLSv1.3' });
  return socket.on('secureConnect', () => end(0));
}

const asked = protocol === 'http:' ? ask() : shakeHands();
asked.setTimeout(answerMs, () => end(1, 'no answer'));
asked.on('error', (error) => end(1, error.message));
