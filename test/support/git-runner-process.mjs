// Starts git for the forges' doubles. A process of its own, because it is small: to start another one, a process is copied
// first, and copying a test's takes longer than what git does. Ends with its standard input.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { deserialize, serialize } from 'node:v8';

/** @returns {Promise<{ code: number, out: Buffer, said: string }>} */
function run({ directory, argv, env, input }) {
  return new Promise((resolve, reject) => {
    const child = spawn('git', argv, { cwd: directory, env, stdio: 'pipe' });
    const out = [];
    const said = [];
    child.stdout.on('data', (chunk) => out.push(chunk));
    child.stderr.on('data', (chunk) => said.push(chunk));
    child.stdin.on('error', () => child.stdin.destroy());
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code: code ?? -1, out: Buffer.concat(out), said: Buffer.concat(said).toString('utf8').trim() }),
    );
    child.stdin.end(input ?? '');
  });
}

/** Each message is its length, in four bytes, and itself. */
const framed = (message) => {
  const body = serialize(message);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
};

const server = createServer((socket) => {
  let kept = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    kept = Buffer.concat([kept, chunk]);
    while (kept.length >= 4 && kept.length >= 4 + kept.readUInt32BE(0)) {
      const end = 4 + kept.readUInt32BE(0);
      const { id, ...order } = deserialize(kept.subarray(4, end));
      kept = kept.subarray(end);
      run(order).then(
        (outcome) => socket.write(framed({ id, outcome })),
        (error) => socket.write(framed({ id, error: error.message })),
      );
    }
  });
});
server.listen(process.argv[2], () => console.log('ready'));
process.stdin.on('end', () => process.exit()).resume();
