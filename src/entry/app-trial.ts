/** What the commands that try an app have in common. */
import { InvalidArgumentError, Option } from 'commander';
import type { DeliveryScope } from '../lib/delivery-scope.js';
import { HANDLER_TIMEOUT_MS } from '../translate/rehearsal.js';

function milliseconds(text: string): number {
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds <= 0 || seconds > 3_600)
    throw new InvalidArgumentError('Use a number of seconds up to 3600.');
  return Math.ceil(seconds * 1_000);
}

/** In milliseconds. */
export const timeoutOption = () =>
  new Option(
    '--timeout <seconds>',
    `how long a handler is waited for (default: ${HANDLER_TIMEOUT_MS / 1_000})`,
  ).argParser(milliseconds);

/** An app that ends the process would end the command without a word. */
export function saysWhoEnded({ app, eventName }: DeliveryScope, code: number): void {
  console.error(`FORGEWAY_APP_UNUSABLE: ${app} ended the process on ${eventName} (exit code ${code}).`);
  console.error('  A handler returns, or throws when it failed: take out process.exit().');
  process.exitCode = code === 0 ? 1 : code;
}
