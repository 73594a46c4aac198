/** What the demo prints: one line per step, plain text when nobody is at a terminal. */
import type { WriteStream } from 'node:tty';

const columns = { time: 7, name: 26 };

export class Progress {
  readonly #out: NodeJS.WriteStream | WriteStream;
  readonly #live: boolean;
  readonly #coloured: boolean;
  readonly #started = Date.now();

  constructor(out: NodeJS.WriteStream | WriteStream, environment: NodeJS.ProcessEnv) {
    this.#out = out;
    this.#live = out.isTTY === true && environment.TERM !== 'dumb';
    this.#coloured = this.#live && (environment.NO_COLOR ?? '') === '';
  }

  line(text = ''): void {
    this.#clear();
    this.#out.write(`${text}\n`);
  }

  /** Shown until the next line, on a terminal only. */
  waiting(name: string): void {
    if (!this.#live) return;
    this.#clear();
    this.#out.write(this.#paint('2', `${this.#time()}  … ${name}`));
  }

  done(name: string, detail: string): void {
    this.line(`${this.#time()}  ${this.#paint('32', '✔')} ${name.padEnd(columns.name)}  ${detail}`.trimEnd());
  }

  failed(name: string, message: string): void {
    this.line(`${this.#time()}  ${this.#paint('31', '✘')} ${name.padEnd(columns.name)}  FAILED: ${message}`);
  }

  quiet(text: string): void {
    this.line(this.#paint('2', text));
  }

  #time(): string {
    return `${((Date.now() - this.#started) / 1000).toFixed(1)}s`.padStart(columns.time);
  }

  #paint(code: string, text: string): string {
    return this.#coloured ? `\x1b[${code}m${text}\x1b[0m` : text;
  }

  #clear(): void {
    if (this.#live) this.#out.write('\r\x1b[2K');
  }
}
