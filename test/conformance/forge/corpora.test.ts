import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ForgewayError } from '../../../src/lib/errors.js';
import { portsOf, receivedAt, type Subject, table } from './subjects.js';

/** Payloads that others recorded. They lie beside the project and are no part of it: without them nothing is examined. */
const corpus = join(process.cwd(), '../shared/fixtures/webhooks');

const folderOf = ({ descriptor }: Subject) => join(corpus, descriptor.id);

/** Recorded bodies come without their headers: every name that the forge's own fixtures carry is tried. */
function eventTypes({ fixtures }: Subject): string[] {
  return [...new Set(fixtures.map(({ eventType }) => eventType))];
}

describe.each(table)('payloads of %s that others recorded', (_id, subject) => {
  it('are translated or ignored with a reason', async () => {
    if (!existsSync(folderOf(subject))) return;
    const { descriptor } = subject;
    const translated = new Set<string>();
    const files = readdirSync(folderOf(subject)).filter((name) => name.endsWith('.json'));
    for (const file of files) {
      const parsed = descriptor.parse('application/json', readFileSync(join(folderOf(subject), file)));
      if ('invalid' in parsed) {
        expect(parsed.invalid).not.toBe('');
        continue;
      }
      const { payload } = parsed;
      for (const eventType of eventTypes(subject)) {
        descriptor.snapshot?.(eventType, payload);
        const classified = descriptor.classify(eventType, payload);
        if (classified.kind === 'ignored') {
          expect(classified.reason).not.toBe('');
          continue;
        }
        for (const event of classified.events) {
          const made = await descriptor
            .payload({ eventType, payload, receivedAt }, event, portsOf(subject, {}, false))
            .catch((error: unknown): undefined => {
              if (error instanceof ForgewayError && error.code === 'FORGEWAY_PAYLOAD_INVALID') return undefined;
              throw new Error(`${file} as ${eventType}`, { cause: error });
            });
          if (made !== undefined) translated.add(file);
        }
      }
    }
    expect(translated.size).toBeGreaterThan(files.length / 2);
  });
});
