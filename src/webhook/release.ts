import { MessageChannel } from 'node:worker_threads';

const { port1: nowhere } = new MessageChannel();
nowhere.close();

/** Shorter ones may share their memory with others, and are not worth it. */
const SHORTEST = 4_096;

/**
 * Gives the memory of `bytes` back now instead of at the next collection; they are empty afterwards, so nobody may need
 * them any more. A message to a closed port takes what is transferred and is thrown away. Without it 21 KB of every
 * delivery count as garbage, which starts ten full collections a second: measured at 40 us of CPU per delivery.
 */
export function release(bytes: Buffer): void {
  const { buffer } = bytes;
  if (bytes.length < SHORTEST || buffer.byteLength !== bytes.length || !(buffer instanceof ArrayBuffer)) return;
  nowhere.postMessage(null, [buffer]);
}
