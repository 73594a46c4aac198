import { describe, expect, it } from '@jest/globals';
import { asGolden, translatedBy } from '../../support/golden.js';
import { githubEventErrors } from '../../support/webhook-schema.js';
import { isSkipped, skipsOf } from './skips.js';
import { eventName, type Fixture, portsOf, type Subject, subjects, table, translate } from './subjects.js';

/** Events that a forge tells of in its own words, since GitHub has none. */
const isNative = ({ descriptor }: Subject, name: string) => name.startsWith(`${descriptor.id}.`);

const namesOf = (subject: Subject, { eventType, payload, previous }: Fixture) => {
  const classified = subject.descriptor.classify(eventType, payload, { ...(previous && { previous }) });
  return classified.kind === 'ignored' ? { ignored: classified.reason } : { events: classified.events.map(eventName) };
};

describe.each(table)('events of %s', (id, subject) => {
  const { fixtures, descriptor } = subject;

  it('are what their golden files say, payloads and all', async () => {
    for (const fixture of fixtures) {
      const { golden, answers } = fixture;
      if (golden === undefined) continue;
      const told = await translatedBy(descriptor, fixture, portsOf(subject, fixture, answers !== undefined));
      expect([fixture.name, asGolden(told, descriptor)]).toEqual([fixture.name, golden]);
      // A golden file without payloads would compare nothing but names.
      for (const { payload } of golden.events ?? []) expect([fixture.name, payload]).not.toContain(undefined);
    }
    const lacking = fixtures.filter(({ golden }) => golden === undefined).map(({ name }) => name);
    if (!isSkipped(id, 'events')) expect(lacking).toEqual([]);
  });

  it('are those that the forge says it gives, and each of them has a fixture', () => {
    const { eventSupport } = descriptor;
    expect(eventSupport === undefined).toBe(isSkipped(id, 'events'));
    if (eventSupport === undefined) return;
    const shown = new Set(fixtures.flatMap((fixture) => namesOf(subject, fixture).events ?? []));
    const rowOf = (event: string) => [event, event.split('.')[0] ?? ''].find((row) => Object.hasOwn(eventSupport, row));
    // Flavours of one forge share a folder, and one gives what another does not.
    const ofFlavours = subjects.filter(({ folder }) => folder === subject.folder);
    const isGiven = (event: string) =>
      ofFlavours.some(({ descriptor: { eventSupport: given = {} } }) =>
        [event, event.split('.')[0] ?? ''].some((row) => Object.hasOwn(given, row)),
      );
    const untold = [...shown].filter((event) => !isNative(subject, event) && !isGiven(event));
    expect(untold).toEqual([]);
    const rows = new Set([...shown].map(rowOf));
    expect(Object.keys(eventSupport).filter((row) => !rows.has(row))).toEqual([]);
  });

  it('say why they are not exact', () => {
    for (const [row, { support, note = '' }] of Object.entries(descriptor.eventSupport ?? {}))
      if (support !== 'exact') expect([row, note]).toEqual([row, expect.stringMatching(/^\S.*[.…]$/)]);
  });

  it.each([true, false])('have all that GitHub’s schema asks for; a token is connected: %p', async (connected) => {
    if (isSkipped(id, 'event schema')) return;
    const excused = new Set(skipsOf(id, 'event schema').map(({ what }) => what));
    const needed = new Set<string>();
    for (const fixture of fixtures)
      for (const event of await translate(subject, fixture, connected)) {
        const name = eventName(event);
        if (isNative(subject, name)) continue;
        const errors = githubEventErrors(event.name, event.payload);
        if (excused.has(name) && errors.length > 0) needed.add(name);
        else expect([fixture.name, name, errors]).toEqual([fixture.name, name, []]);
      }
    expect([...needed]).toEqual([...excused]);
  });

  it('are the same when they are translated twice, and leave the delivery as it was', async () => {
    for (const fixture of fixtures) {
      const before = JSON.stringify(fixture.payload);
      const first = await translate(subject, fixture);
      expect(await translate(subject, fixture)).toEqual(first);
      expect(JSON.stringify(fixture.payload)).toBe(before);
    }
  });
});
