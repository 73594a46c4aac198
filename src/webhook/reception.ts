import type { IncomingMessage } from 'node:http';
import type { SignatureCheck } from '../forges/forge.js';
import { release } from './release.js';

export interface ReceptionLimits {
  /** Largest body in bytes. */
  bodyBytes: number;
  /** Longest wait for the next bytes of a body. */
  stallMs: number;
  /** Longest time a whole body may take. */
  totalMs: number;
  /** Bytes of all bodies together that may be held at a time, those waiting for their commit included. */
  heldBytes: number;
}

export type Received =
  | { kind: 'body'; body: Buffer }
  | { kind: 'refused'; status: 408 | 413 | 503 }
  /** The sender went away: there is nobody to answer. */
  | { kind: 'gone' };

interface Reception {
  startedAt: number;
  lastByteAt: number;
  refuse: (status: 408) => void;
}

const SWEEP_MS = 250;

/** Reads bodies under limits of size, time and memory. One timer watches all of them. */
export class BodyReader {
  readonly #limits: ReceptionLimits;
  readonly #open = new Set<Reception>();
  readonly #sweeper: NodeJS.Timeout;
  #heldBytes = 0;

  constructor(limits: ReceptionLimits) {
    this.#limits = limits;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  close(): void {
    clearInterval(this.#sweeper);
  }

  /**
   * Reads the body of `req`, feeding `check` as it streams in. Without a check the bytes are counted and thrown away.
   * @param otherBytes What is held elsewhere and counts against the same limit.
   */
  read(
    req: IncomingMessage,
    startedAt: number,
    check: SignatureCheck | undefined,
    otherBytes: () => number,
    done: (received: Received) => void,
  ): void {
    const chunks: Buffer[] = [];
    let size = 0;
    let held = 0;
    const finish = (received: Received) => {
      this.#open.delete(reception);
      this.#heldBytes -= held;
      req.off('data', onData).off('end', onEnd).off('close', onClose);
      done(received);
    };
    const onData = (chunk: Buffer) => {
      reception.lastByteAt = performance.now();
      size += chunk.length;
      if (size > this.#limits.bodyBytes) return finish({ kind: 'refused', status: 413 });
      if (!check) return;
      held += chunk.length;
      this.#heldBytes += chunk.length;
      if (this.#heldBytes + otherBytes() > this.#limits.heldBytes) return finish({ kind: 'refused', status: 503 });
      check.update(chunk);
      chunks.push(chunk);
    };
    const onEnd = () => {
      const [only] = chunks;
      const body = chunks.length === 1 && only ? only : Buffer.concat(chunks, held);
      if (chunks.length > 1) for (const chunk of chunks) release(chunk);
      finish({ kind: 'body', body });
    };
    const onClose = () => finish({ kind: 'gone' });
    const reception: Reception = {
      startedAt,
      lastByteAt: startedAt,
      refuse: (status) => finish({ kind: 'refused', status }),
    };
    if (req.destroyed) {
      done({ kind: 'gone' });
      return;
    }
    this.#open.add(reception);
    req.on('data', onData).on('end', onEnd).on('close', onClose);
  }

  #sweep(): void {
    const now = performance.now();
    for (const reception of this.#open) {
      const stalled = now - reception.lastByteAt > this.#limits.stallMs;
      if (stalled || now - reception.startedAt > this.#limits.totalMs) reception.refuse(408);
    }
  }
}
