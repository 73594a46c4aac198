/**
 * The sender, a process of its own: raw keep-alive connections, as little work per request as possible.
 * Arguments: port, path, connections, warm-up ms, measured ms, forge. Prints one line of JSON.
 */
import { createConnection } from 'node:net';
import { type BenchDelivery, deliveriesFrom } from './payload.js';

const [port = '0', path = '/', connections = '32', warmUpMs = '1000', measuredMs = '4000', forge = 'github'] =
  process.argv.slice(2);
const deliveries = deliveriesFrom(forge, 500);
const run = `${process.pid.toString(16)}-${Date.now().toString(16)}`;
const started = performance.now();
const measureFrom = started + Number(warmUpMs);
const end = measureFrom + Number(measuredMs);
const latencies: number[] = [];
const acknowledged: string[] = [];
const statuses: Record<string, number> = {};
let sent = 0;

function head({ body, headers }: BenchDelivery, id: string): string {
  return (
    `POST ${path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nUser-Agent: bench\r\n` +
    `${headers(id)}Content-Length: ${body.length}\r\n\r\n`
  );
}

function connection(): Promise<void> {
  return new Promise((resolve) => {
    const socket = createConnection({ port: Number(port), host: '127.0.0.1', noDelay: true });
    let buffered = '';
    let startedAt = 0;
    let id = '';
    const next = () => {
      startedAt = performance.now();
      if (startedAt >= end) return socket.end();
      const index = sent++;
      id = `${run}-${index}`;
      const delivery = deliveries[index % deliveries.length];
      if (delivery === undefined) throw new Error('There is nothing to send.');
      socket.cork();
      socket.write(head(delivery, id));
      socket.write(delivery.body);
      socket.uncork();
    };
    socket.setEncoding('latin1');
    socket.on('connect', next);
    socket.on('data', (text: string) => {
      buffered += text;
      const headEnd = buffered.indexOf('\r\n\r\n');
      if (headEnd === -1) return;
      const length = Number(/content-length: (\d+)/i.exec(buffered)?.[1] ?? 0);
      if (buffered.length < headEnd + 4 + length) return;
      const status = buffered.slice(9, 12);
      buffered = '';
      const now = performance.now();
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (status.startsWith('2')) acknowledged.push(id);
      if (startedAt >= measureFrom && now <= end) latencies.push(now - startedAt);
      next();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve());
  });
}

await Promise.all(Array.from({ length: Number(connections) }, connection));
latencies.sort((a, b) => a - b);
const quantile = (q: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? 0;
console.log(
  JSON.stringify({
    rps: (latencies.length / Number(measuredMs)) * 1_000,
    p50: quantile(0.5),
    p99: quantile(0.99),
    requests: acknowledged.length,
    statuses,
    // Only asked for where every one of them is looked for afterwards.
    acknowledged: process.argv.includes('--ids') ? acknowledged : undefined,
  }),
);
